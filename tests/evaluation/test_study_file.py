"""``study.json``: what it says is checked; and what is said of a study, in every form."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hostile_results import BIDI, CLOSING, SCRIPT
from hypothesis import given, settings
from hypothesis import strategies as st

from mata_audio.errors import RunError
from mata_audio.evaluation.study.checked import problems
from mata_audio.evaluation.study.outcome import Study
from mata_audio.evaluation.study.page import study_page
from mata_audio.evaluation.study.study_file import load_study, study_from, study_json
from mata_audio.evaluation.study.tables import (
    joined_markdown,
    study_markdown,
    study_text,
    verdict,
)
from pages import ParsedPage
from studies import N, entry, study_of

GOOD = entry("mass", "chosen", (9, 1), [(9, 1), (3, 1)], [(8, 1), (2, 1)])
WEAK = entry("mata", "chosen", (4, 2), [(3, 2), (2, 2)], [(2, 2), (2, 1)])
TASKS_ONLY = entry("gains", "fitted", (18, 0), [(15, 1), (4, 1)], [(2, 9), (1, 3)])
STUDY = study_of(GOOD, WEAK, TASKS_ONLY)


def test_a_study_reads_as_it_was_written(tmp_path: Path) -> None:
    (tmp_path / "study.json").write_text(study_json(STUDY), encoding="utf-8")
    assert load_study(tmp_path) == load_study(tmp_path / "study.json") == STUDY
    assert problems(STUDY) == []


def test_the_best_on_the_choosing_items_is_recommended_and_the_fit_is_shown_as_it_is() -> None:
    assert STUDY.winner is not None
    assert STUDY.winner.method == "mass"
    assert STUDY.recommended is STUDY.winner
    fit = STUDY.entries[2]
    assert fit.chosen_on is not None
    assert fit.chosen_on.difference > STUDY.winner.chosen_on.difference  # type: ignore[union-attr]
    said = STUDY.standing(fit)
    assert said == "gains where it was fitted, but loses on a task left out"
    assert said in study_text(STUDY)
    assert said in study_markdown(STUDY)
    assert said in ParsedPage(study_page(STUDY)).text


@pytest.mark.parametrize(
    ("reporting", "elsewhere", "against"),
    [
        ([(9, 1), (3, 1)], [(8, 1), (2, 1)], None),
        ([(2, 2), (1, 1)], [(8, 1), (2, 1)], "gains nothing on the reporting items"),
        ([(15, 1), (1, 9)], [(8, 1), (2, 1)], "loses in helped on the reporting items"),
        ([(9, 1), (3, 1)], [(1, 2), (2, 1)], "gains nothing on a task left out"),
        ([(9, 1), (3, 1)], [(15, 0), (0, 8)], "loses in helped on a task left out"),
        # 7 lost and 1 gained: p = 0.07, which may be chance.
        ([(15, 1), (1, 7)], None, None),
    ],
)
def test_a_winner_that_does_not_hold_is_not_recommended(
    reporting: Any, elsewhere: Any, against: str | None
) -> None:
    found = study_of(entry("mass", "chosen", (9, 1), reporting, elsewhere), WEAK)
    assert found.winner is not None
    assert found.winner.method == "mass"
    if against is None:
        assert found.recommended is found.winner
    else:
        assert found.recommended is None  # and not the next best: that would be a second choice
        assert against in verdict(found)


def edited(change: Callable[[dict[str, Any]], object]) -> dict[str, Any]:
    data: dict[str, Any] = json.loads(study_json(STUDY))
    change(data)
    return data


def first(data: dict[str, Any]) -> dict[str, Any]:
    """Return the figures of the first entry over all items."""
    found: dict[str, Any] = data["entries"][0]["figures"][0]["paired"]
    return found


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda d: first(d).update(gained=13), "after is"),
        (lambda d: first(d).update(gained=13, n=2 * N + 1), "is impossible"),
        (lambda d: first(d).update(lost=-1), "is impossible"),
        (lambda d: first(d).update(p=0.001), "p is 0.001"),
        (lambda d: first(d).update(p_holm=0.001), "Holm's p is 0.001"),
        (lambda d: first(d).update(difference=0.2), "difference is 0.2"),
        (lambda d: first(d).update(low=0.02), "low is 0.02"),
        (lambda d: first(d).update(before=0.51), "is no whole number"),
        (lambda d: first(d).update(smallest_difference=None), "smallest_difference is None"),
        (lambda d: d["entries"][0]["figures"].pop(0), "no row for all items"),
        (lambda d: d["entries"][0]["figures"].append(d["entries"][0]["figures"][1]), "twice"),
        (lambda d: d["entries"].pop(2), "Holm's p"),
        (lambda d: d["baseline"][0].update(correct=39), "do not add up"),
        (lambda d: d["baseline"][1].update(n=39), "right, more than the baseline's"),
        (lambda d: d["baseline"][0].update(n=200), "of 200 right"),
        (lambda d: d["choosing"].update(split="test"), "chosen on the items"),
        (lambda d: d["choosing"].update(failed=99), "99 of 80 items failed"),
        (lambda d: d.update(shared_clips=99), "99 of 80 items share"),
        (lambda d: d["entries"][0].update(how="guessed"), "no such way"),
        (lambda d: d["entries"][0]["setting"].update(alpha="much"), "it is no setting"),
        (lambda d: d["entries"][0].update(name=None), "has a name, fields and figures"),
        (lambda d: d["model"].update(name="/home/me/models/omni"), "a path"),
        (lambda d: d["entries"][0].update(description=r"C:\Users\me"), "a path"),
        (lambda d: d["entries"][0].update(description="x" * 700), "a text of 700 characters"),
    ],
)
def test_a_changed_file_is_found_out(change: Callable[[dict[str, Any]], object], said: str) -> None:
    found = problems(study_from(edited(change)))
    assert any(said in line for line in found), found


@pytest.mark.parametrize(
    "change",
    [
        lambda d: d.update(format=0),
        lambda d: d.update(comment="hello"),
        lambda d: d.pop("entries"),
        lambda d: d.update(entries=[1]),
        lambda d: d.update(tried="many"),
        lambda d: d.update(model=[]),
        lambda d: first(d).update(n=1.5),
        lambda d: first(d).update(p=float("nan")),
        lambda d: first(d).update(gained="9"),
        lambda d: d["entries"][0].update(question="Which sound is this?"),
        lambda d: d["reporting"].update(items=True),
    ],
)
def test_a_file_of_another_form_is_refused(
    change: Callable[[dict[str, Any]], object], tmp_path: Path
) -> None:
    (tmp_path / "study.json").write_text(json.dumps(edited(change)), encoding="utf-8")
    with pytest.raises(RunError, match="is not the file of a study"):
        load_study(tmp_path)
    (tmp_path / "study.json").write_text("[" * 100_000, encoding="utf-8")
    with pytest.raises(RunError, match="is not the file of a study"):
        load_study(tmp_path)
    with pytest.raises(RunError, match="does not exist"):
        load_study(tmp_path / "nothing")


def hostile() -> Study:
    """A study whose every text tries to act."""
    texts = SCRIPT, CLOSING, BIDI, "| a | b\n", "\x1b[31m", "{{ 7 * 7 }}"
    entries = [
        replace(own, method=text, name=f"{text} {number}", description=text)
        for number, (own, text) in enumerate(zip([GOOD, WEAK, TASKS_ONLY] * 2, texts, strict=True))
    ]
    renamed = [
        replace(
            own,
            figures=tuple(
                replace(row, name=CLOSING if row.name == "alone" else row.name, heading=SCRIPT)
                for row in own.figures
            ),
        )
        for own in entries
    ]
    baseline = tuple(
        replace(row, name=CLOSING if row.name == "alone" else row.name, heading=SCRIPT)
        for row in STUDY.baseline
    )
    part = replace(STUDY.reporting, title=SCRIPT, split=CLOSING, template=BIDI)
    return study_of(
        *renamed,
        baseline=baseline,
        reporting=part,
        model={**STUDY.model, "name": SCRIPT},
        machines=({"device": CLOSING},),
    )


def test_no_text_of_a_study_can_act() -> None:
    found = hostile()
    page = ParsedPage(study_page(found))
    assert "window.acted" in page.text
    assert [tag for tag, _ in page.tags if tag in ("script", "img", "iframe", "object")] == []
    assert "{{ 7 * 7 }}" in page.text
    for markdown in (study_markdown(found), joined_markdown([found, STUDY])):
        assert "<script" not in markdown
        assert "<img" not in markdown
        tables = [line for line in markdown.splitlines() if line.startswith("|")]
        unescaped = {line.replace("\\|", "").count("|") for line in tables}
        assert len(unescaped) == 1
    assert len(study_text(found).split("\n\n")[1].splitlines()) == 1
    assert study_from(json.loads(study_json(found))) == found


def test_studies_are_joined_by_method() -> None:
    other = study_of(WEAK, entry("aad", "published", (0, 0), [(1, 0), (0, 0)]))
    lines = joined_markdown([STUDY, other]).splitlines()
    rows = {line.split(" | ")[0].strip("| "): line for line in lines if line.startswith("| ")}
    assert rows["mass, chosen"].endswith("| – |")  # noqa: RUF001
    assert rows["mass, chosen"].count("recommended") == 1
    assert "+12.5 (12 / 2" in rows["mass, chosen"]
    assert "task left out +10.0" in rows["mass, chosen"]
    assert rows["aad, published"].split(" | ")[1] == "–"  # noqa: RUF001
    assert "+1.2 (1 / 0, p 1)" in rows["aad, published"]


@settings(max_examples=30)
@given(st.lists(st.tuples(*[st.integers(0, N // 2)] * 4), min_size=1, max_size=4))
def test_any_study_that_is_written_checks(counts: list[tuple[int, int, int, int]]) -> None:
    entries = [
        entry(f"m{number}", "chosen", (a, b), [(a, b), (c, d)], [(c, b), (a, d)])
        for number, (a, b, c, d) in enumerate(counts)
    ]
    assert problems(study_from(json.loads(study_json(study_of(*entries))))) == []
