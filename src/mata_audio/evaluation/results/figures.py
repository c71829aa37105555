"""The figures of some items: accuracies, and each setting against the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

from mata_audio.evaluation.results.power import smallest_difference
from mata_audio.evaluation.results.results import Accuracy, ItemResult, Paired, Row
from mata_audio.evaluation.results.significance import holm, paired_figures, wilson_interval
from mata_audio.settings.named import BASELINE


def figures_of(items: Sequence[ItemResult], settings: Sequence[str]) -> Row:
    """Return the figures over some items; settings without a scored answer are left out."""
    return row_of("", "", "all", items, settings)


def row_of(
    grouping: str, heading: str, name: str, items: Sequence[ItemResult], settings: Sequence[str]
) -> Row:
    """Return the figures of one group; settings without a scored answer are left out."""
    correct = {
        setting: {
            item.id: item.answers[setting].correct
            for item in items
            if setting in item.answers and item.answers[setting].correct is not None
        }
        for setting in settings
    }
    accuracy = {s: accuracy_of(list(by_id.values())) for s, by_id in correct.items() if by_id}
    paired: dict[str, Paired] = {}
    for setting in settings:
        both = [id for id in correct[BASELINE] if id in correct[setting]]
        if setting == BASELINE or not both:
            continue
        paired[setting] = pair(
            [bool(correct[BASELINE][id]) for id in both],
            [bool(correct[setting][id]) for id in both],
        )
    return Row(grouping, heading, name, accuracy, adjusted(paired), left_out_of(items, settings))


def left_out_of(items: Sequence[ItemResult], settings: Sequence[str]) -> dict[str, int]:
    """Return how many answers do not count, for the settings that have such answers."""
    counts = {
        setting: sum(
            item.scored and setting in item.answers and item.answers[setting].correct is None
            for item in items
        )
        for setting in settings
    }
    return {setting: count for setting, count in counts.items() if count}


def pair(before: Sequence[bool], after: Sequence[bool]) -> Paired:
    """Compare two runs over the same items, one bool per item; ``p_holm`` equals p."""
    figures = paired_figures(before, after)
    low, high = figures.interval
    return Paired(
        n=figures.items,
        before=figures.baseline,
        after=figures.steered,
        difference=figures.steered - figures.baseline,
        low=low,
        high=high,
        gained=figures.gained,
        lost=figures.lost,
        p=figures.p,
        p_holm=figures.p,
        smallest_difference=smallest_difference(figures.items, figures.gained + figures.lost),
    )


def adjusted(paired: Mapping[str, Paired]) -> dict[str, Paired]:
    """Return the comparisons with p values adjusted for their number (Holm)."""
    values = holm([comparison.p for comparison in paired.values()])
    return {
        name: replace(comparison, p_holm=p)
        for (name, comparison), p in zip(paired.items(), values, strict=True)
    }


def accuracy_of(correct: Sequence[bool | None]) -> Accuracy:
    """Return the share of right answers with its interval, from one bool per item."""
    n, right = len(correct), sum(map(bool, correct))
    return Accuracy(n, right, right / n, *wilson_interval(right, n))
