"""Sweeps of known outcome, made without a model."""

from __future__ import annotations

from collections.abc import Mapping

from mata_audio.evaluation.results.figures import figures_of
from mata_audio.evaluation.results.results import Answer, ItemResult, Results, SettingResult

Counts = tuple[int, int]
"""Answers gained and lost."""


def item(number: int, **right: bool) -> ItemResult:
    """Return item ``number`` with an answer by setting name."""
    answers = {name: Answer("a", "a", correct) for name, correct in right.items()}
    groups = {"kind": "odd" if number % 2 else "even"}
    return ItemResult(f"i{number}", "q", (), "a", groups, (), answers)


def swept(
    tuning: Mapping[str, Counts], held_out: Mapping[str, Counts], items: tuple[int, int] = (40, 60)
) -> Results:
    """Return a sweep's results.

    Args:
        tuning: what each setting gains and loses on the tuning items.
        held_out: the same for the other items.
        items: numbers of tuning and of other items; half of each are right under the baseline.
    """
    made = []
    for start, n, counts in ((0, items[0], tuning), (items[0], items[1], held_out)):
        for number in range(n):
            base = number < n // 2
            right = {"baseline": base}
            for name, (gained, lost) in counts.items():
                right[name] = number >= lost if base else number - n // 2 < gained
            made.append(item(start + number, **right))
    names = ["baseline", *tuning]
    rest, ids = made[items[0] :], tuple(own.id for own in made[: items[0]])
    settings = [SettingResult("baseline", "the unmodified model", None)]
    settings += [SettingResult(name, "", {"alpha": 1.0, "layers": [1]}) for name in names[1:]]
    return Results({}, tuple(settings), figures_of(rest, names), (), tuple(made), (), ids)
