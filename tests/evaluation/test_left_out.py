"""Answers that do not count: every line of every output has one denominator."""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any, ClassVar

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.report import render_report
from mata_audio.evaluation.results.outcome import make_results
from mata_audio.evaluation.results.results import Results, SettingResult
from mata_audio.evaluation.results.results_file import load_results, save_results
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.results.tables import as_csv, as_latex, as_markdown, as_text, tables
from mata_audio.evaluation.task import Grouping, Task
from mata_audio.evaluation.tasks import task_named
from pages import ParsedPage

RIGHT, WRONG, UNREADABLE = "yes", "no", "?"
SAID = {True: RIGHT, False: WRONG, None: UNREADABLE}
Outcomes = Sequence[tuple[bool | None, bool | None]]


class Letters(Task):
    """An answer "?" does not count."""

    name: ClassVar[str] = "letters"
    title: ClassVar[str] = "Letters"
    splits: ClassVar[tuple[str, ...]] = ("test",)
    groupings: ClassVar[tuple[Grouping, ...]] = (Grouping("half", "Half"),)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        raise NotImplementedError

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        said = [record["prediction"] for record in records]
        return [None if own == UNREADABLE else own == RIGHT for own in said]


def results(outcomes: Outcomes) -> Results:
    items = [
        Item(str(i), (), "q", (), RIGHT, {"half": "even" if i % 2 == 0 else "odd"}, {})
        for i in range(len(outcomes))
    ]
    lines = {
        str(i): {"id": str(i), "answers": {"baseline": SAID[before], "MATA": SAID[after]}}
        for i, (before, after) in enumerate(outcomes)
    }
    settings = [SettingResult("baseline", "", None), SettingResult("MATA", "alpha 2", {})]
    data = Dataset("letters", "test", tuple(items), {})
    return make_results(data, lines, settings, AnswerScores(Letters(), "whole"), {})


ISSUE: Outcomes = [*[(True, True)] * 10, *[(None, True)] * 2, *[(None, False)] * 6]
"""The baseline counts on 10 items, MATA on 18; on the 10, nothing changed."""

a_run = st.lists(
    st.tuples(st.sampled_from([True, False, None]), st.sampled_from([True, False, None])),
    min_size=1,
    max_size=30,
)


def cells(found: Results) -> list[tuple[str, dict[str, tuple[str, ...]]]]:
    return [(t.title, {line.name: line.cells for line in t.lines}) for t in tables(found)]


def test_the_official_accuracies_and_the_comparison_have_their_own_tables() -> None:
    (_, baseline), (_, own), (title, paired) = cells(results(ISSUE))
    assert baseline["all"] == ("10", "100.0", "72.2 to 100.0", "8")
    assert own["all"] == ("18", "66.7", "43.7 to 83.7", "0")
    assert title == "MATA (alpha 2): over the items that count under both"
    assert paired["all"][:4] == ("10", "100.0", "100.0", "+0.0")


def test_the_answers_left_out_are_counted() -> None:
    found = results(ISSUE)
    assert found.overall.left_out == {"baseline": 8}
    note = "Answers left out, because the official script does not count them: baseline 8."
    assert note in found.notes
    assert {row.name: dict(row.left_out) for row in found.groups} == {
        "even": {"baseline": 4},
        "odd": {"baseline": 4},
    }


def test_nothing_left_out_stays_one_table_without_a_note() -> None:
    found = results([(True, True), (False, True), (True, False)])
    assert [title for title, _ in cells(found)] == ["MATA (alpha 2)"]
    assert found.notes == ()
    assert "left out" not in as_text(found)


def test_the_same_items_left_out_stay_one_table_with_a_note() -> None:
    found = results([(True, True), (None, None), (False, True)])
    assert [title for title, _ in cells(found)] == ["MATA (alpha 2)"]
    assert cells(found)[0][1]["all"][0] == "2"
    assert any("baseline 1, MATA 1" in note for note in found.notes)


def test_a_setting_without_any_answer_that_counts_is_shown_with_its_count() -> None:
    found = results([(True, None), (False, None)])
    (_, baseline), (_, own), (_, paired) = cells(found)
    assert baseline["all"][:2] == ("2", "50.0")
    assert own["all"] == ("0", "", "", "2")
    assert paired["all"] == ("0", *[""] * 7)
    rows = list(csv.DictReader(io.StringIO(as_csv(found))))
    assert [(row["n"], row["left_out"]) for row in rows if row["group"] == "all"] == [
        ("2", "0"),
        ("0", "2"),
    ]


@given(a_run)
def test_every_difference_is_that_of_the_accuracies_in_its_line(outcomes: Outcomes) -> None:
    found = results(outcomes)
    for table in tables(found):
        if "difference" not in table.columns:
            continue
        for line in table.lines:
            own = dict(zip(table.columns, line.cells, strict=True))
            if own["n"] == "0":
                continue
            gap = float(own["MATA"]) - float(own["baseline"])
            assert float(own["difference"]) == pytest.approx(gap, abs=0.11)
            net = int(own["gained"]) - int(own["lost"])
            assert float(own["difference"]) == pytest.approx(100 * net / int(own["n"]), abs=0.06)


@given(a_run)
def test_accuracies_are_over_their_own_answers(outcomes: Outcomes) -> None:
    overall = results(outcomes).overall
    for place, name in enumerate(("baseline", "MATA")):
        said = [pair[place] for pair in outcomes]
        counted = [own for own in said if own is not None]
        assert overall.left_out.get(name, 0) == said.count(None)
        if counted:
            assert overall.accuracy[name].n == len(counted)
            assert overall.accuracy[name].correct == sum(counted)
    both = [pair for pair in outcomes if None not in pair]
    if both:
        paired = overall.paired["MATA"]
        assert paired.n == len(both)
        assert paired.before == pytest.approx(sum(bool(b) for b, _ in both) / len(both))
        assert paired.after == pytest.approx(sum(bool(a) for _, a in both) / len(both))


def test_every_form_has_both_tables() -> None:
    found = results(ISSUE)
    for text in (as_text(found), as_markdown(found), as_latex(found)):
        assert text.count("left out") >= 2
        assert "over the items that count under both" in text
        for line in text.splitlines():
            assert not ("66.7" in line and "+0.0" in line), line
    last = list(csv.DictReader(io.StringIO(as_csv(found))))[-1]
    assert (last["n"], last["accuracy"], last["left_out"]) == ("18", str(12 / 18), "0")
    assert (last["paired_n"], last["paired_baseline"]) == ("10", "1.0")
    assert (last["paired_setting"], last["difference"]) == ("1.0", "0.0")


def test_json_keeps_it(tmp_path: Path) -> None:
    found = results(ISSUE)
    save_results(found, tmp_path / "results.json")
    assert load_results(tmp_path) == found
    assert json.loads((tmp_path / "results.json").read_text())["overall"]["left_out"] == {
        "baseline": 8
    }


def test_items_that_are_not_scored_are_not_left_out_answers() -> None:
    hidden = Item("hidden", (), "q", (), None, {"half": "odd"}, {})
    lines = {"hidden": {"id": "hidden", "answers": {"baseline": RIGHT}}}
    scores = AnswerScores(Letters(), "whole")
    data = Dataset("letters", "test", (hidden,), {})
    found = make_results(data, lines, [SettingResult("baseline", "", None)], scores, {})
    assert found.overall.left_out == {}
    assert not found.items[0].scored


@pytest.mark.parametrize(
    ("task", "record"),
    [
        ("mmsu", {"answer_gt": "y", "category": "c", "sub-category": "s"}),
        ("air-bench", {"answer_gt": "y", "task_name": "t", "dataset_name": "d"}),
    ],
)
def test_the_benchmarks_that_leave_answers_out(task: str, record: dict[str, str]) -> None:
    """An answer with no letter that the script reads is in no denominator of it."""
    choices = ("x", "y", "z", "w")
    lettered = {f"choice_{letter}": text for letter, text in zip("abcd", choices, strict=True)}
    items = tuple(
        Item(str(i), (), "q", choices, "y", {}, {"uniq_id": i, **record, **lettered})
        for i in range(3)
    )
    said = [("B", "B"), ("not readable", "A"), ("not readable", "B")]
    lines = {
        str(i): {"id": str(i), "answers": {"baseline": before, "MATA": after}}
        for i, (before, after) in enumerate(said)
    }
    settings = [SettingResult("baseline", "", None), SettingResult("MATA", "", {})]
    data = Dataset(task, "test", items, {})
    found = make_results(data, lines, settings, AnswerScores(task_named(task), "whole"), {})
    assert asdict(found)["overall"]["left_out"] == {"baseline": 2}
    assert (found.overall.accuracy["baseline"].n, found.overall.accuracy["MATA"].n) == (1, 3)
    assert found.overall.paired["MATA"].n == 1


def test_the_page_has_one_denominator_in_each_line() -> None:
    text = ParsedPage(render_report(results(ISSUE), {})).text.replace("\xa0", " ")
    assert "baseline 100.0 % → setting 100.0 % +0.0 points" in text
    assert (
        "Accuracy over all answers that count: baseline 100.0 % of 10 (8 left out); "
        "MATA 66.7 % of 18 (0 left out)."
    ) in text
    assert "10 / 10, 8 left out" in text
    assert "over the items that count under both" in text
    assert "all 10 100.0 100.0 +0.0" in text


def test_the_page_stays_as_it_is_where_nothing_is_left_out() -> None:
    text = ParsedPage(render_report(results([(True, True), (False, True)]), {})).text
    assert "left out" not in text
    assert "count under both" not in text
    assert "Without, %" not in text


def test_pictures_say_how_many_items_each_line_has() -> None:
    pytest.importorskip("matplotlib")
    from mata_audio.pictures import accuracy, gained_and_lost

    found = results(ISSUE)
    shown = {
        picture: next(label.get_text() for label in picture(found).axes[0].get_yticklabels())
        for picture in (accuracy, gained_and_lost)
    }
    assert shown[accuracy] == "all  n=10 to 18"
    assert shown[gained_and_lost] == "all  n=10"
