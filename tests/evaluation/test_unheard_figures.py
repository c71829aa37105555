"""The figures by what needs no audio, recomputed; and how the tables and the page show them."""

from __future__ import annotations

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile_results import CLOSING, NAMES, SCRIPT, clips
from hostile_results import results as hostile_results
from hypothesis import given
from hypothesis import strategies as st
from test_left_out import SAID, Letters
from test_report import dataset

from mata_audio import MATA
from mata_audio.evaluation import NamedSetting, evaluate, load_results
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.report import render_report, report_clips
from mata_audio.evaluation.results.outcome import make_results
from mata_audio.evaluation.results.ranking import rank
from mata_audio.evaluation.results.results import UNHEARD, Answer, Results, SettingResult
from mata_audio.evaluation.results.results_file import save_results
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.results.tables import as_csv, as_latex, as_markdown, as_text
from mata_audio.evaluation.results.unheard_table import MEANING
from mata_audio.evaluation.results.without_audio import NOT_RIGHT, RIGHT, unheard_of
from mata_audio.tiny import make_items
from pages import Open, ParsedPage

Outcomes = Sequence[tuple[bool | None, bool | None, bool | None]]
"""For each item: whether the baseline, MATA and the arm are right; None if it does not count."""


def results(outcomes: Outcomes, choices: Sequence[int] = (), tuning: int = 0) -> Results:
    """Return the results of a run with the arm; the first ``tuning`` items are a sweep's."""
    counts = [*choices, *[0] * (len(outcomes) - len(choices))]
    items = [
        Item(str(i), (), "q", tuple(map(str, range(counts[i]))), "yes") for i in range(len(counts))
    ]
    names = ("baseline", "MATA", UNHEARD)
    lines = {
        str(i): {
            "id": str(i),
            "answers": {name: SAID[own] for name, own in zip(names, right, strict=True)},
        }
        for i, right in enumerate(outcomes)
    }
    settings = [SettingResult(name, "", None if name == "baseline" else {}) for name in names]
    data = Dataset("letters", "test", tuple(items), {})
    ids = [item.id for item in items[:tuning]]
    return make_results(data, lines, settings, AnswerScores(Letters(), "whole"), {}, ids)


# Six right unheard, of which MATA loses two; four others, of which it gains one and loses one.
KNOWN: Outcomes = [
    *[(True, True, True)] * 3,
    *[(True, False, True)] * 2,
    (False, False, True),
    (False, True, False),
    (True, False, False),
    (False, False, False),
    (True, True, None),
]


def test_the_figures_of_a_run_are_those_of_its_answers(tmp_path: Path) -> None:
    """From ``items.jsonl`` and the questions alone, without any of our scoring."""
    settings = [
        NamedSetting("late", MATA(alpha=4, layers="6-11")),
        NamedSetting("early", MATA(alpha=4, layers="0-5")),
    ]
    evaluate("tiny", "tiny", tmp_path, settings=settings, limit=18, unheard=True)
    items = {item.id: item for item in make_items("test", 18)}
    right: dict[str, dict[str, bool]] = {}
    for text in (tmp_path / "items.jsonl").read_text().splitlines():
        stored = json.loads(text)
        stored = stored.get("line", stored)
        for name, said in stored["answers"].items():
            own = said.strip().rstrip(".").strip().lower() == items[stored["id"]].answer
            right.setdefault(stored["id"], {})[name] = own
    arm = json.loads((tmp_path / "results.json").read_text())["unheard"]
    heard_nothing = [own[UNHEARD] for own in right.values()]
    assert (arm["accuracy"]["n"], arm["accuracy"]["correct"]) == (18, sum(heard_nothing))
    expected = sum(1 / len(item.choices) for item in items.values()) / 18
    assert arm["guessing"]["expected"] == pytest.approx(expected)
    assert 0 < sum(heard_nothing) < 18
    changed = 0
    for part, unheard in zip(arm["parts"], (True, False), strict=True):
        members = [own for own in right.values() if own[UNHEARD] == unheard]
        assert part["name"] == (RIGHT if unheard else NOT_RIGHT)
        assert part["accuracy"]["baseline"]["correct"] == sum(m["baseline"] for m in members)
        assert set(part["paired"]) == {"late", "early"}
        for name, paired in part["paired"].items():
            gained = sum(m[name] and not m["baseline"] for m in members)
            lost = sum(m["baseline"] and not m[name] for m in members)
            assert (paired["gained"], paired["lost"]) == (gained, lost)
            assert paired["n"] == len(members)
            assert paired["before"] == pytest.approx(
                sum(m["baseline"] for m in members) / len(members)
            )
            assert paired["after"] == pytest.approx(sum(m[name] for m in members) / len(members))
            assert paired["difference"] == pytest.approx((gained - lost) / len(members))
            assert paired["p"] == pytest.approx(sign_test(gained, lost))
            changed += gained + lost
        ps = [part["paired"][name]["p"] for name in ("late", "early")]
        holm = [part["paired"][name]["p_holm"] for name in ("late", "early")]
        assert min(holm) == pytest.approx(min(1, 2 * min(ps)))
    assert changed > 0


def sign_test(gained: int, lost: int) -> float:
    """Return the exact two-sided p value, summed by hand."""
    n = gained + lost
    tail = sum(math.comb(n, k) for k in range(min(gained, lost) + 1)) / 2**n
    return min(1.0, 2 * tail)


def test_known_outcomes() -> None:
    arm = results(KNOWN).unheard
    assert arm is not None
    assert arm.accuracy is not None
    assert (arm.accuracy.correct, arm.accuracy.n, arm.left_out) == (6, 9, 1)
    assert arm.guessing is None
    right, others = arm.parts
    assert (right.name, others.name) == ("right unheard", "not right unheard")
    paired = [part.paired["MATA"] for part in arm.parts]
    assert [(own.n, own.gained, own.lost) for own in paired] == [(6, 0, 2), (4, 1, 1)]


def test_guessing_is_over_the_items_whose_choices_are_known() -> None:
    """Of four choices, of two, and of ten for the answer that does not count."""
    choices = [4, 4, 2, 0, 0, 0, 0, 0, 0, 10]
    found = results(KNOWN, choices)
    assert found.unheard is not None
    assert found.unheard.guessing is not None
    assert (found.unheard.guessing.n, found.unheard.guessing.correct) == (3, 3)
    assert found.unheard.guessing.expected == pytest.approx((0.25 + 0.25 + 0.5) / 3)
    assert "Of 3 items with choices it is 100.0 %, and guessing" in as_text(found)
    everywhere = as_text(results(KNOWN[:9], [4] * 9))
    assert "Guessing among the choices would give 25.0 %." in everywhere


@given(st.lists(st.tuples(*[st.sampled_from([True, False, None])] * 3), min_size=1, max_size=25))
def test_the_parts_add_up_to_the_whole(outcomes: Outcomes) -> None:
    found = results(outcomes)
    assert found.unheard is not None
    whole = found.overall.paired.get("MATA")
    parts = [part.paired.get("MATA") for part in found.unheard.parts]
    for name in ("n", "gained", "lost"):
        total = 0 if whole is None else getattr(whole, name)
        assert sum(getattr(part, name) for part in parts if part is not None) == total


@given(st.lists(st.tuples(*[st.booleans()] * 3), min_size=4, max_size=25))
def test_the_arm_is_never_a_candidate(outcomes: Outcomes) -> None:
    """All figures, the ranking and the winner are those of a run without it."""
    found = results(outcomes, tuning=len(outcomes) // 2)
    items = tuple(
        replace(item, answers={k: v for k, v in item.answers.items() if k != UNHEARD})
        for item in found.items
    )
    without = replace(found, items=items, unheard=None)
    ranked, alone = (rank(own, own.tuning_ids) for own in (found, without))
    assert [s.name for s in found.settings] == ["baseline", "MATA"]
    assert ranked.ranking == alone.ranking == ("MATA",)
    assert (ranked.winner, ranked.tuning, ranked.held_out) == (
        alone.winner,
        alone.tuning,
        alone.held_out,
    )
    assert UNHEARD not in {**found.overall.paired, **found.overall.accuracy}
    assert as_text(found).startswith(as_text(without).partition("\n\n")[0])


def test_the_table_in_every_form(tmp_path: Path) -> None:
    found = results(KNOWN)
    sentence = (
        "Without the audio, the model answers 6 of 9 items right: 66.7 % (95 % interval 35.4 to "
        "87.9), against 70.0 % with it. 1 answer without it not counted."
    )
    text = as_text(found)
    assert sentence in text
    assert text.endswith(MEANING)
    rows = [row.split() for row in text.splitlines() if row.startswith("MATA")]
    assert rows[-2][:7] == ["MATA", "right", "unheard", "6", "83.3", "50.0", "-33.3"]
    assert rows[-1][:8] == ["MATA", "not", "right", "unheard", "4", "50.0", "50.0", "+0.0"]
    for form in (as_markdown, as_latex):
        assert sentence in form(found).replace("\\", "")
        assert MEANING in form(found)
    lines = list(csv.DictReader(io.StringIO(as_csv(found))))
    own = {(r["grouping"], r["group"], r["setting"]): r for r in lines}
    lost = own["without the audio", "right unheard", "MATA"]
    assert (lost["paired_n"], lost["gained"], lost["lost"]) == ("6", "0", "2")
    arm = own["", "all", UNHEARD]
    assert (arm["n"], arm["correct"], arm["left_out"], arm["p"]) == ("9", "6", "1", "")
    save_results(found, tmp_path / "results.json")
    assert load_results(tmp_path / "results.json") == found


def test_a_run_of_only_the_baseline_has_its_accuracies() -> None:
    found = results(KNOWN)
    assert found.unheard is not None
    parts = [replace(part, paired={}) for part in found.unheard.parts]
    alone = replace(
        found, settings=found.settings[:1], unheard=replace(found.unheard, parts=tuple(parts))
    )
    rows = [row.split()[:6] for row in as_text(alone).splitlines() if "right unheard" in row]
    assert rows[0][:5] == ["baseline", "right", "unheard", "6", "83.3"]
    assert MEANING not in as_text(alone)
    assert "83.3" in ParsedPage(render_report(alone, {})).text


def test_a_sweep_reports_the_winner_on_held_out_items_alone() -> None:
    found = results([(False, True, True)] * 4 + [*KNOWN[:9]], tuning=4)
    text = as_text(found)
    assert "Held-out items: Without the audio, the model answers 6 of 9 items right" in text
    page = ParsedPage(render_report(found, {})).text
    assert "Without the audio, the model answers 6 of 9 items right" in page
    assert "others; held-out items" in page


def hostile() -> Results:
    """Hostile results with the arm: right on every second item, and hostile in what it says."""
    found = hostile_results()
    items = tuple(
        replace(item, answers={**item.answers, UNHEARD: Answer(CLOSING, SCRIPT, number % 2 == 0)})
        if item.answers
        else item
        for number, item in enumerate(found.items)
    )
    arm = SettingResult(UNHEARD, f"nothing {SCRIPT}", {"alpha": -1.0})
    names = ["baseline", *NAMES]
    return replace(found, items=items, unheard=unheard_of(items, arm, names))


def test_an_answer_without_the_audio_is_no_changed_answer(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Which clips are embedded first does not depend on the arm."""
    monkeypatch.setattr("mata_audio.evaluation.report.clips.MOST_EMBEDDED", 1_399)
    some = [
        report_clips(found, dataset(), tmp_path / "report.html", "some")
        for found in (hostile(), hostile_results())
    ]
    assert list(some[0]) == list(some[1])


def test_the_data_frame_has_its_answers() -> None:
    pytest.importorskip("pandas")
    frame = results(KNOWN).to_pandas()
    assert frame[frame["setting"] == UNHEARD]["correct"].tolist() == [own[2] for own in KNOWN]


def test_nothing_hostile_acts_on_the_page() -> None:
    page = render_report(hostile(), clips())
    parsed = ParsedPage(page)
    assert [tag for tag, _ in parsed.tags].count("script") == 2
    assert not {"img", "iframe"} & {tag for tag, _ in parsed.tags}
    for text in (SCRIPT, CLOSING):
        assert text not in page
    start = parsed.text.index("Items that are answered right without the audio")
    assert f"mata {SCRIPT}" in parsed.text[start : parsed.text.index("Tables", start)]
    data: dict[str, Any] = json.loads(parsed.scripts[0])
    assert data["answered"] == [*data["settings"], UNHEARD]
    assert data["items"][0]["answers"][-1]["raw"] == CLOSING


@pytest.mark.parametrize("width", [390, 1200])
def test_its_figures_lead_to_their_items(open_page: Open, width: int) -> None:
    found = hostile()
    opened = open_page(render_report(found, {}), viewport={"width": width, "height": 900})
    opened.assert_no_wider_than_the_window()
    assert found.unheard is not None
    for place, (part, name) in enumerate(zip(found.unheard.parts, (RIGHT, NOT_RIGHT), strict=True)):
        for outcome in ("gained", "lost"):
            count = getattr(part.paired[NAMES[0]], outcome)
            links = f"#without-audio a[data-outcome={outcome}][data-group='{name}']"
            assert opened.view.locator(links).count() == (count > 0), place
            if count:
                opened.view.click(f"{links} >> nth=0")
                assert opened.count() == f"{count} of {len(found.items)} items"
                chosen = opened.view.locator("#filters").get_by_label("Without the audio")
                assert chosen.input_value() == name
    last = opened.view.locator(".item").first.locator(".answer").last
    assert last.locator("h4").inner_text() == UNHEARD
    assert last.locator("h4 path").count() == 1
    opened.assert_harmless()


def test_the_page_shows_answers_without_any_that_is_scored(open_page: Open) -> None:
    found = results([(None, None, None)] * 3)
    opened = open_page(render_report(found, {}))
    assert opened.view.locator("#without-audio").count() == 0
    assert opened.view.locator(".item").first.locator(".answer").count() == 3
    opened.assert_harmless()
