"""What is said of a sweep: the winner held out comes first, and no figure pools the two parts."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mata_audio.errors import RunError
from mata_audio.evaluation import evaluate, load_results
from mata_audio.evaluation.report import render_report
from mata_audio.evaluation.results.compare import compare_runs
from mata_audio.evaluation.results.number_format import points
from mata_audio.evaluation.results.power import smallest_difference
from mata_audio.evaluation.results.ranking import rank
from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.results.results_file import save_results
from mata_audio.evaluation.results.stored_run import rescore
from mata_audio.evaluation.results.tables import as_csv, as_latex, as_markdown, as_text
from mata_audio.evaluation.results.verdict import nothing_found, verdict
from mata_audio.evaluation.sweep import grid, sweep
from pages import ParsedPage
from swept import Counts, swept


def page(results: Results) -> str:
    """Return the text of the results' page, without its items."""
    text = ParsedPage(render_report(results, {})).text
    return text.replace("\N{NO-BREAK SPACE}", " ").replace("\N{MINUS SIGN}", "-")


FORMS: dict[str, Callable[[Results], str]] = {
    "text": as_text,
    "markdown": as_markdown,
    "latex": as_latex,
    "csv": as_csv,
    "page": page,
}


def said(results: Results) -> str:
    return verdict(rank(results, results.tuning_ids))


# On 40 tuning items good gains 12 (+30.0 points); on 60 others it loses 3 (-5.0); pooled +9.0.
TUNING = {"good": (12, 0), "poor": (0, 4)}
WORSE = swept(TUNING, {"good": (0, 3), "poor": (6, 0)})


@pytest.mark.parametrize("form", FORMS)
def test_the_result_held_out_comes_first_and_nothing_is_pooled(form: str) -> None:
    text = FORMS[form](WORSE)
    if form != "csv":
        sentence = "good, the best setting on the tuning items, is worse than the baseline on 60"
        assert sentence in text
        assert "It is not recommended." in text
        assert text.index(sentence) < text.lower().index("held-out items: ") or form == "page"
        assert text.index("-5.0 points (95 % interval") < text.index("+30.0")
    start = text.index(
        "tuning,"
        if form == "csv"
        else "The ranking to choose by"
        if form == "page"
        else "Tuning items"
    )
    assert not re.search(r"\+30\.0|0\.3\b", text[:start])
    for pooled in ("+9.0", "59.0", "0.09,", "0.59,", "59 / 100", ",100,"):
        assert pooled not in text
    # The other setting was not chosen: held out, +10.0 would be picked with hindsight.
    assert "+10.0" not in text
    assert "--settings" not in text


def test_the_page_links_to_the_items_of_its_part() -> None:
    tags = ParsedPage(render_report(WORSE, {})).tags
    links = [own for tag, own in tags if tag == "a" and "data-setting" in own]
    parts = {(own["data-part"], own["data-setting"], own["data-outcome"]) for own in links}
    assert parts == {
        ("held out", "1", "lost"),
        ("tuning", "1", "gained"),
        ("tuning", "2", "lost"),
    }


COUNTS = st.tuples(st.integers(0, 20), st.integers(0, 20))


@given(tuning=COUNTS, held_out=COUNTS)
def test_a_winner_is_said_to_be_what_it_is_held_out(tuning: Counts, held_out: Counts) -> None:
    results = swept({"mata": tuning}, {"mata": held_out})
    found, text = rank(results, results.tuning_ids), said(results)
    if tuning[0] <= tuning[1]:
        assert text.startswith("Nothing was found with 40 items; ")
        assert found.recommended is None
        return
    gained, lost = held_out
    own = found.held_out.paired["mata"]
    assert f"60 held-out items: {points((gained - lost) / 60)} points (95 % interval " in text
    assert ("worse than the baseline" in text) == (gained < lost)
    assert ("no better than the baseline" in text) == (gained == lost)
    assert ("is better than" in text) == (gained > lost and own.p < 0.05)
    assert ("could not have been seen" in text or "would have shown" in text) == (own.p >= 0.05)
    assert ("not recommended" in text) == (gained <= lost)
    assert (found.recommended is None) == (gained <= lost)


def test_what_could_not_be_seen_is_the_exact_power() -> None:
    seen = 100 * (smallest_difference(60, 20) or 0)
    assert f"differences below {seen:.1f} points" in said(
        swept({"mata": (9, 0)}, {"mata": (11, 9)})
    )
    assert "no difference would have shown with 80 % power, as only 5 answers changed." in said(
        swept({"mata": (9, 0)}, {"mata": (3, 2)})
    )
    least = min(100 * (smallest_difference(40, count) or 1) for count in (20, 12))
    nothing = said(swept({"a": (10, 10), "b": (6, 6)}, {"a": (9, 0), "b": (9, 0)}))
    assert nothing == (
        f"Nothing was found with 40 items; differences below {least:.1f} points could not have "
        "been seen."
    )


@settings(max_examples=25)
@given(st.integers(1, 400))
def test_with_no_changed_answer_the_best_case_counts(n: int) -> None:
    """As few changes as can show anything, all one way; no number of changes shows less."""
    possible = [smallest_difference(n, count) for count in range(min(n, 40) + 1)]
    shown = [own for own in possible if own is not None]
    text = nothing_found(n)
    if not shown:
        assert text.endswith("no difference would have shown with 80 % power.")
        return
    written = float(text.split("below ")[1].split(" ")[0])
    assert written == pytest.approx(100 * min(shown), abs=0.051)


def test_where_no_item_of_a_part_was_scored() -> None:
    unknown = swept({"mata": (9, 0)}, {"mata": (0, 0)}, (40, 0))
    assert "helps is unknown: no held-out item was scored" in said(unknown)
    none = swept({"mata": (0, 0)}, {"mata": (9, 0)}, (0, 40))
    assert verdict(rank(none, ())).startswith("No tuning item was scored")
    for name, form in FORMS.items():
        assert ("tuning,,all,mata," if name == "csv" else "+22.5") in form(unknown)


def test_what_is_loaded_says_which_items_were_chosen_on(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    save_results(WORSE, file)
    assert load_results(file) == WORSE
    stored = json.loads(file.read_text())
    assert [own["n"] for own in stored["overall"]["accuracy"].values()] == [60, 60, 60]
    for damage in ({"tuning_ids": ["elsewhere"]}, {"tuning_ids": None}, {"tuning_ids": 3}):
        file.write_text(json.dumps({**stored, **damage}))
        with pytest.raises(RunError):
            load_results(file)
    del stored["tuning_ids"]  # so a sweep is never taken for another run
    file.write_text(json.dumps(stored))
    with pytest.raises(RunError):
        load_results(file)


def test_a_setting_is_compared_on_items_that_it_was_not_chosen_on() -> None:
    run = {"identity": {"task": "t", "split": "s", "data": {}}, "facts": {"reader": "r"}}
    results = Results(run, *list(vars(WORSE).values())[1:])
    found = compare_runs(results, results, "baseline", "good")
    assert (found.groups[-1].paired.n, found.chosen_on, found.left_out) == (60, 40, 0)
    assert found.groups[-1].paired.lost == 3
    plain = compare_runs(results, results, "baseline", "baseline")
    assert (plain.groups[-1].paired.n, plain.chosen_on) == (100, 0)


def test_a_sweep_stays_one(tmp_path: Path) -> None:
    """Scored again, or continued as an evaluation, its files are those of a sweep."""
    two = grid(alphas=(1.0, 2.0), layers=("3-7",))
    found = sweep("tiny", "tiny", tmp_path, two, split="tune", limit=24)
    names = ("results.json", "results.md", "results.tex", "results.csv", "sweep.json")
    before = {name: (tmp_path / name).read_bytes() for name in names}
    text = as_text(found.results)
    assert before["results.md"].decode().startswith(text[:40])
    assert before["results.csv"].startswith(b"part,grouping,group,setting,")
    assert found.held_out == found.results.overall

    def after() -> dict[str, bytes]:
        return {name: (tmp_path / name).read_bytes() for name in names}

    again = rescore(tmp_path, "answer-tag")
    assert as_text(again) == text
    rescore(tmp_path, found.results.run["facts"]["reader"])
    assert after() == before
    options = {"split": "tune", "limit": 24}
    evaluate("tiny", "tiny", tmp_path, settings=two, **options)  # type: ignore[arg-type]
    assert after() == before


def test_without_a_winner_an_earlier_one_goes(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    options = {"split": "tune", "limit": 24}
    sweep("tiny", "tiny", tmp_path / "run", grid(alphas=(0.0,)), **options)
    (tmp_path / "run" / "winner.json").write_text("{}")
    found = sweep("tiny", "tiny", tmp_path / "run", grid(alphas=(0.0,)), **options)
    assert found.winner is None
    assert not (tmp_path / "run" / "winner.json").exists()
    said = (tmp_path / "run" / "results.md").read_text().splitlines()[0]
    assert said == (
        "Nothing was found with 12 items; no difference would have shown with 80 % power, as no "
        "answer changed."
    )


@pytest.mark.parametrize("damage", [None, [], {}, {"tuning_ids": None}, {"tuning_ids": "i1"}])
def test_a_damaged_division_is_refused(damage: object, tmp_path: Path) -> None:
    sweep("tiny", "tiny", tmp_path, grid(alphas=(1.0,)), split="tune", limit=20)
    manifest = json.loads((tmp_path / "run.json").read_text())
    manifest["facts"]["sweep"] = damage
    (tmp_path / "run.json").write_text(json.dumps(manifest))
    with pytest.raises(RunError, match=r"run\.json is damaged, as its field facts\.sweep"):
        rescore(tmp_path, "whole")
