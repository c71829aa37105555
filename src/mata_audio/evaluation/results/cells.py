"""Figures as the cells of a table."""

from __future__ import annotations

from mata_audio.evaluation.results.number_format import p_value, percent, points
from mata_audio.evaluation.results.results import Accuracy, Paired


def against_baseline(paired: Paired, adjusted: bool) -> tuple[str, ...]:
    """Return n, both accuracies and the cells of the comparison."""
    accuracies = (percent(paired.before), percent(paired.after))
    return (f"{paired.n:,}", *accuracies, *paired_cells(paired, adjusted))


def accuracy_cells(accuracy: Accuracy) -> tuple[str, str]:
    """Return an accuracy and its interval, in percent."""
    return percent(accuracy.value), f"{percent(accuracy.low)} to {percent(accuracy.high)}"


def paired_cells(paired: Paired, adjusted: bool = False) -> tuple[str, ...]:
    """Return difference, its interval, gained, lost and p; and Holm's p if ``adjusted``."""
    cells = (
        points(paired.difference),
        f"{points(paired.low)} to {points(paired.high)}",
        f"{paired.gained:,}",
        f"{paired.lost:,}",
        p_value(paired.p),
    )
    return (*cells, p_value(paired.p_holm)) if adjusted else cells
