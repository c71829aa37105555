"""What ``mata compare`` shows of two runs: marks, differences, denominators."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from mata_audio.cli.commands.compare import text
from mata_audio.evaluation.results.compare import compare_runs
from mata_audio.evaluation.results.figures import figures_of
from mata_audio.evaluation.results.results import Answer, ItemResult, Results, SettingResult

PATHS = Path("a"), Path("b")
outcomes = st.lists(st.sampled_from([True, False, None]), min_size=1, max_size=20)


def run(
    correct: Sequence[bool | None], mata: Mapping[str, Any] | None = None, tuned: bool = False
) -> Results:
    """A run whose baseline is right everywhere, and whose MATA is as given."""
    items = tuple(
        ItemResult(
            str(i),
            "q",
            (),
            "a",
            {},
            (),
            {"baseline": Answer("", "", True), "MATA": Answer("", "", own)},
        )
        for i, own in enumerate(correct)
    )
    settings = (
        SettingResult("baseline", "", None),
        SettingResult("MATA", "", mata or {"alpha": 0.1}, tuned),
    )
    identity = {"task": "t", "split": "test", "data": {}}
    facts = {"identity": identity, "facts": {"reader": "whole"}}
    return Results(facts, settings, figures_of(items, ["baseline", "MATA"]), (), items, ())


def shown(first: Results, second: Results) -> str:
    return text(compare_runs(first, second, "MATA", "MATA"), *PATHS)


def test_the_mark_of_a_tuned_setting_stays_with_its_run() -> None:
    first, second = run([True, False], tuned=True), run([True, True])
    title = "a: MATA [tuned on these items]  against  b: MATA"
    assert shown(first, second).splitlines()[0] == title
    assert shown(second, first).splitlines()[0] == (
        "a: MATA  against  b: MATA [tuned on these items]"
    )
    assert "tuned" not in shown(second, second)


def test_two_settings_of_one_name_are_told_apart() -> None:
    first = run([True, False], {"alpha": 0.1, "layers": [1, 2]})
    second = run([True, True], {"alpha": 0.2, "layers": [1, 2]})
    line = "The settings called MATA differ: alpha was 0.1, is now 0.2."
    assert line in shown(first, second).splitlines()
    assert "settings called" not in shown(first, first)
    assert "settings called" not in text(compare_runs(first, second, "baseline", "MATA"), *PATHS)


def test_a_tuple_and_the_list_that_json_makes_of_it_are_one_value() -> None:
    first, second = run([True], {"layers": (1, 2)}), run([True], {"layers": [1, 2]})
    assert "settings called" not in shown(first, second)


def test_each_side_has_its_own_accuracy_where_answers_are_left_out() -> None:
    first = run([True] * 10 + [None] * 8)
    second = run([True] * 12 + [False] * 6)
    said = shown(first, second)
    assert (
        "Accuracy over all answers that count: first 100.0 % of 10 (8 left out), "
        "second 66.7 % of 18 (0 left out)."
    ) in said
    last = next(line for line in said.splitlines() if line.startswith("all"))
    assert last.split()[:5] == ["all", "10", "100.0", "100.0", "+0.0"]


def test_nothing_left_out_is_said_in_no_line() -> None:
    assert "left out" not in shown(run([True, False]), run([True, True]))


@given(outcomes, st.data())
def test_the_difference_is_that_of_the_accuracies_beside_it(
    before: list[bool | None], data: st.DataObject
) -> None:
    size = len(before)
    after = data.draw(st.lists(st.sampled_from([True, False, None]), min_size=size, max_size=size))
    both = [(a, b) for a, b in zip(before, after, strict=True) if a is not None and b is not None]
    if not both:
        return
    last = compare_runs(run(before), run(after), "MATA", "MATA").groups[-1]
    assert last.first.n == last.second.n == last.paired.n == len(both)
    assert last.first.value == last.paired.before
    assert last.second.value == last.paired.after


def test_a_tiny_p_is_written_as_a_bound() -> None:
    said = shown(run([False] * 2000), run([True] * 2000))
    last = next(line for line in said.splitlines() if line.startswith("all"))
    assert last.endswith("< 0.0001")
