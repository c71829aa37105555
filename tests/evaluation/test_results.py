"""From stored lines to figures: groups, denominators, pairing, notes, tables."""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

import pytest

from mata_audio import MATA, SettingsError
from mata_audio.errors import RunError
from mata_audio.evaluation import NamedSetting, Results, load_results, load_setting
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.results.compare import compare_runs
from mata_audio.evaluation.results.outcome import make_results
from mata_audio.evaluation.results.results import SettingResult
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.results.stored_run import tuned_on_these_items
from mata_audio.evaluation.results.tables import as_csv, as_latex, as_markdown, as_text
from mata_audio.evaluation.task import Grouping, Task
from mata_audio.evaluation.tasks import task_named
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import save_setting, with_baseline


class Colours(Task):
    """Right when prediction and answer are equal; items asked in Latin are not scored."""

    name: ClassVar[str] = "colours"
    title: ClassVar[str] = "Colours"
    splits: ClassVar[tuple[str, ...]] = ("test",)
    groupings: ClassVar[tuple[Grouping, ...]] = (Grouping("hue", "Hue", ("warm", "cold")),)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        raise NotImplementedError

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        return [record["prediction"] == record["answer"] for record in records]

    def unscored_reason(self, item: Item) -> str | None:
        return "it is asked in Latin" if item.question == "Quid est?" else None


# id, hue, baseline right, MATA right (None: the item failed)
CASES: list[tuple[str, str, bool | None, bool | None]] = [
    *[(f"both{i}", "warm", True, True) for i in range(4)],
    *[(f"gained{i}", "cold", False, True) for i in range(3)],
    ("lost", "warm", True, False),
    *[(f"neither{i}", "cold", False, False) for i in range(2)],
    ("failed", "warm", None, None),
]


def dataset(extra: Sequence[Item] = ()) -> Dataset:
    items = [
        Item(id, (), "What colour?", ("red", "blue"), "red", {"hue": hue}, {"answer": "red"})
        for id, hue, *_ in CASES
    ]
    return Dataset("colours", "test", (*items, *extra), {"colours.json": "0" * 64})


def lines() -> dict[str, dict[str, Any]]:
    said = {True: "<answer>red</answer>", False: "blue"}
    return {
        id: {"id": id, "error": "AudioError: gone"}
        if before is None or after is None
        else {"id": id, "answers": {"baseline": said[before], "MATA": said[after]}}
        for id, _, before, after in CASES
    }


def results(data: Dataset | None = None, **more: Any) -> Results:
    settings = [
        SettingResult("baseline", "the model as it is", None),
        SettingResult("MATA", "a_b & 50 % | <x>", {"alpha": 0.1}),
    ]
    run = {
        "identity": {"task": "colours", "split": "test", "data": {"colours.json": "0" * 64}},
        "facts": {"reader": "answer-tag"},
    }
    given = {**lines(), **more}
    return make_results(
        data or dataset(), given, settings, AnswerScores(Colours(), "answer-tag"), run
    )


def test_figures_by_hand() -> None:
    found = results()
    assert [(row.heading, row.name) for row in found.groups] == [("Hue", "warm"), ("Hue", "cold")]
    overall = found.overall
    right = {name: (own.correct, own.n) for name, own in overall.accuracy.items()}
    assert right == {"baseline": (5, 10), "MATA": (7, 10)}
    paired = overall.paired["MATA"]
    assert (paired.n, paired.gained, paired.lost) == (10, 3, 1)
    assert paired.difference == pytest.approx(0.2)
    assert paired.p == pytest.approx(0.625)  # 2 (C(4,0) + C(4,1)) / 2^4
    assert paired.p_holm == paired.p
    cold = found.groups[1]
    assert (cold.paired["MATA"].gained, cold.paired["MATA"].lost) == (3, 0)
    assert overall.accuracy["baseline"].low == pytest.approx(0.2366, abs=5e-5)
    assert overall.accuracy["baseline"].high == pytest.approx(0.7634, abs=5e-5)


def test_a_failed_item_is_no_empty_answer() -> None:
    failed = results().items[-1]
    assert (failed.error, dict(failed.answers)) == ("AudioError: gone", {})
    assert any("1 item failed" in note for note in results().notes)


def test_raw_and_read_answers_are_both_kept() -> None:
    answer = results().items[0].answers["baseline"]
    assert (answer.raw, answer.read, answer.correct) == ("<answer>red</answer>", "red", True)


def test_unscored_items_are_stored_and_said() -> None:
    latin = Item("latin", (), "Quid est?", (), "rubrum", {"hue": "warm"}, {"answer": "rubrum"})
    line = {"id": "latin", "answers": {"baseline": "red", "MATA": "red"}}
    found = results(dataset([latin]), latin=line)
    assert found.items[-1].answers["MATA"].correct is None
    assert found.overall.accuracy["MATA"].n == 10
    assert "1 item was run and stored but not scored: it is asked in Latin." in found.notes


def test_clips_that_were_cut_are_said() -> None:
    clip = {"name": "a.wav", "seconds": 41.0, "heard": 30.0}
    both = {**lines()["both0"], "clips": [clip]}
    assert any("longer than the model hears" in note for note in results(both0=both).notes)


def test_what_would_stop_the_official_scorer_is_said_and_the_rest_is_scored() -> None:
    """MMSU's script crashes on an empty first response."""
    mmsu = task_named("mmsu")
    choices = {"choice_a": "x", "choice_b": "y", "choice_c": "z", "choice_d": "w"}
    record = {"answer_gt": "y", "category": "c", "sub-category": "s", **choices}
    items = tuple(
        Item(str(i), (), "q", ("x", "y", "z", "w"), "y", {"category": "c"}, record)
        for i in range(3)
    )
    data = Dataset("mmsu", "test", items, {})
    said = {"0": "", "1": "B", "2": "A"}
    stored = {id: {"id": id, "answers": {"baseline": raw}} for id, raw in said.items()}
    baseline = [SettingResult("baseline", "", None)]
    found = make_results(data, stored, baseline, AnswerScores(mmsu, "whole"), {})
    assert [item.answers["baseline"].correct for item in found.items] == [None, True, False]
    assert any("official scorer would stop" in note for note in found.notes)


def test_holm_over_several_settings() -> None:
    baseline = SettingResult("baseline", "", None)
    three = [baseline, SettingResult("MATA", "", {}), SettingResult("other", "", {})]
    given = lines()
    for line in given.values():
        if "answers" in line:
            line["answers"]["other"] = line["answers"]["MATA"]
    found = make_results(dataset(), given, three, AnswerScores(Colours(), "answer-tag"), {})
    paired = found.overall.paired
    assert paired["MATA"].p_holm == paired["other"].p_holm == 1.0
    assert "p (Holm)" in as_text(found)
    assert "p (Holm)" not in as_text(results())


def test_text_table() -> None:
    text = as_text(results()).splitlines()
    assert text[0] == "MATA (a_b & 50 % | <x>)"
    overall = text[-1].split()
    assert overall[:5] == ["all", "10", "50.0", "70.0", "+20.0"]
    assert overall[-3:] == ["3", "1", "0.62"]
    assert len({len(line) for line in text[2:] if line.strip()}) <= 2


def test_other_forms_escape_what_they_must() -> None:
    markdown, latex = as_markdown(results()), as_latex(results())
    assert "&lt;x>" in markdown
    assert "\\|" in markdown
    assert r"\begin{tabular}{lrrrrrrrr}" in latex
    assert latex.count(r"\\") == 4  # header, two groups, all
    named = replace(results(), groups=(replace(results().groups[0], name="50 % & _x_ #1"),))
    assert r"50 \% \& \_x\_ \#1" in as_latex(named)


@pytest.mark.parametrize("end", ["\n", "\r", "\r\n", "\x0b", "\u2028"])
def test_line_ends_in_names_make_no_rows(end: str) -> None:
    odd = replace(results(), groups=(replace(results().groups[0], name=f"red{end}all  99"),))
    plain = replace(results(), groups=(replace(results().groups[0], name="red all  99"),))
    assert as_text(odd) == as_text(plain)
    assert as_latex(odd) == as_latex(plain)
    assert as_markdown(odd) == as_markdown(plain)


def test_csv_has_everything_unrounded() -> None:
    rows = list(csv.DictReader(io.StringIO(as_csv(results()))))
    overall = [row for row in rows if row["group"] == "all"]
    assert [row["setting"] for row in overall] == ["baseline", "MATA"]
    assert float(overall[1]["difference"]) == pytest.approx(0.2)
    assert (overall[1]["gained"], overall[0]["gained"]) == ("3", "")


def test_to_pandas() -> None:
    frame = results().to_pandas()
    assert len(frame) == 2 * len(CASES)
    assert set(frame.columns) >= {"id", "setting", "hue", "raw", "read", "correct", "error"}
    right = frame[frame.setting == "MATA"].correct
    assert right.dropna().astype(bool).sum() == 7
    assert frame[frame.id == "failed"].error.tolist() == ["AudioError: gone"] * 2


def test_results_that_are_not_there(tmp_path: Path) -> None:
    with pytest.raises(RunError, match="give the folder of a finished run"):
        load_results(tmp_path)
    (tmp_path / "run.json").write_text("{}")
    with pytest.raises(RunError, match="has not finished"):
        load_results(tmp_path)
    (tmp_path / "results.json").write_text('{"format": 1}')
    with pytest.raises(RunError, match="results of this version"):
        load_results(tmp_path)


def test_runs_are_compared_item_by_item() -> None:
    found = compare_runs(results(), results(), "baseline", "MATA")
    last = found.groups[-1]
    assert (last.name, last.paired.gained, last.paired.lost) == ("all", 3, 1)
    assert found.left_out == 1
    assert found.differences == ()
    backwards = compare_runs(results(), results(), "MATA", "baseline").groups[-1].paired
    assert (backwards.gained, backwards.lost) == (1, 3)


def _with_run(**changes: Any) -> Results:
    run = results().run
    return replace(results(), run={**run, "identity": {**run["identity"], **changes}})


def test_runs_that_are_not_on_the_same_items_are_refused() -> None:
    with pytest.raises(RunError, match=r"data\.colours\.json was"):
        compare_runs(results(), _with_run(data={"colours.json": "1" * 64}), "MATA", "MATA")
    with pytest.raises(RunError, match="split was"):
        compare_runs(results(), _with_run(split="dev"), "MATA", "MATA")
    fewer = replace(results(), items=results().items[1:])
    with pytest.raises(RunError, match="1 items are only in the first"):
        compare_runs(results(), fewer, "MATA", "MATA")
    with pytest.raises(RunError, match="has no setting 'none'"):
        compare_runs(results(), results(), "MATA", "none")


def test_what_else_differs_is_said() -> None:
    found = compare_runs(results(), _with_run(dtype="bfloat16"), "MATA", "MATA")
    assert found.differences == ('dtype was null, is now "bfloat16"',)


def test_settings_get_names() -> None:
    assert [s.name for s in with_baseline(MATA())] == ["baseline", "MATA"]
    several = with_baseline([MATA(alpha=0.05), MATA(layers="0-10", formula="add", heads=[1])])
    assert [s.name for s in several[1:]] == [
        "alpha 0.05",
        "alpha 0.1, layers 0-10, heads 1, add",
    ]
    assert short_name(MATA()) == "alpha 0.1"
    with pytest.raises(SettingsError, match="two settings are called"):
        with_baseline([MATA(), MATA()])


def test_a_setting_says_what_it_was_tuned_on(tmp_path: Path) -> None:
    path = tmp_path / "mata.json"
    tuned = NamedSetting("mine", MATA(alpha=0.3), {"task": "colours", "split": "test"})
    save_setting(tuned, path)
    assert load_setting(path, "mine") == tuned
    assert MATA.load(path) == tuned.method
    data = dataset()
    assert tuned_on_these_items(tuned, data)
    for other in (
        {"task": "colours", "split": "tune"},
        {"task": "colours", "split": "test", "files": {"other.json": "1" * 64}},
        {"task": "colours", "split": "test", "ids": ["elsewhere"]},
    ):
        assert not tuned_on_these_items(replace(tuned, tuned_on=other), data)
    same = {"files": {"renamed.json": "0" * 64}, "ids": ["both0", "elsewhere"]}
    assert tuned_on_these_items(replace(tuned, tuned_on={**tuned.tuned_on, **same}), data)  # type: ignore[dict-item]
    assert not tuned_on_these_items(NamedSetting("x", MATA()), data)
    with pytest.raises(SettingsError, match="baseline"):
        save_setting(NamedSetting("baseline", None), path)
