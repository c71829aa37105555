"""Statistics of accuracies, and of a baseline and a steered run on the same items."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

SIGNIFICANT = 0.05
"""A p value below this is called significant."""
Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""


@dataclass(frozen=True)
class PairedFigures:
    """A baseline and a steered run on the same items; accuracies and interval are fractions.

    Args:
        items: number of items.
        baseline: accuracy of the baseline.
        steered: accuracy of the steered run.
        gained: items wrong before and right after.
        lost: items right before and wrong after.
        p: exact two-sided McNemar p value.
        interval: 95 % interval of the difference, see :func:`difference_interval`.
    """

    items: int
    baseline: float
    steered: float
    gained: int
    lost: int
    p: float
    interval: tuple[float, float]


def paired_figures(
    baseline_correct: Sequence[bool] | np.ndarray, steered_correct: Sequence[bool] | np.ndarray
) -> PairedFigures:
    """Return all paired figures of two runs over the same items.

    Args:
        baseline_correct: one bool per item, shape ``(items,)``.
        steered_correct: the same items in the same order.

    Raises:
        ValueError: the sequences differ in length or are empty.
    """
    before = np.asarray(baseline_correct, dtype=bool)
    after = np.asarray(steered_correct, dtype=bool)
    if before.shape != after.shape or before.ndim != 1 or before.size == 0:
        raise ValueError(
            "paired_figures needs two non-empty sequences of the same items, "
            f"got shapes {before.shape} and {after.shape}"
        )
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return PairedFigures(
        items=before.size,
        baseline=float(before.mean()),
        steered=float(after.mean()),
        gained=gained,
        lost=lost,
        p=mcnemar_exact(gained, lost),
        interval=difference_interval(gained, lost, before.size),
    )


@lru_cache(4096)  # a sweep repeats the same counts
def mcnemar_exact(gained: int, lost: int) -> float:
    """Return the two-sided exact McNemar p value of the discordant pairs.

    Args:
        gained: items wrong before and right after.
        lost: items right before and wrong after.

    Returns:
        The probability, if gaining and losing were equally likely, of a split at least this uneven.
        1.0 when nothing changed. Never 0: the smallest value is that of the smallest float.

    Raises:
        ValueError: a count is negative.
    """
    from scipy.stats import binomtest

    if gained < 0 or lost < 0:
        raise ValueError(f"counts must not be negative, got gained={gained}, lost={lost}")
    if gained + lost == 0:
        return 1.0
    p = float(binomtest(gained, gained + lost, 0.5).pvalue)
    return max(p, sys.float_info.min)


def difference_interval(gained: int, lost: int, n: int) -> tuple[float, float]:
    """Return the 95 % interval of the accuracy difference (steered - baseline), as fractions.

    It is Tango's score interval (Statistics in Medicine 17, 1998, 891-908) with the continuity
    correction of McNemar's test (Edwards, Psychometrika 13, 1948, 185-187): one answer, taken off
    the net change. The correction keeps the coverage at 95 % or more if few answers changed;
    without it, 5 gained and none lost would exclude 0. Whether 0 is inside is decided by
    :func:`mcnemar_exact` itself (p >= 0.05); the corrected score disagrees on very few counts, such
    as 13 gained and 4 lost (p = 0.049), and the end is then 0.

    Args:
        gained: items wrong before and right after.
        lost: items right before and wrong after.
        n: number of items, including those that did not change.

    Raises:
        ValueError: the counts are impossible, or there are no items.
    """
    if n < 1 or min(gained, lost) < 0 or gained + lost > n:
        raise ValueError(
            "need gained >= 0, lost >= 0, gained + lost <= n and n >= 1, "
            f"got gained={gained}, lost={lost}, n={n}"
        )
    low, high = _lower_end(gained, lost, n), -_lower_end(lost, gained, n)
    if mcnemar_exact(gained, lost) < SIGNIFICANT:
        return (max(low, 0.0), high) if gained > lost else (low, min(high, 0.0))
    return low, high


def _lower_end(gained: int, lost: int, n: int) -> float:
    """Return the largest difference below the observed one that the score test rejects; or -1.

    Under a difference d, the most likely share of lost items is the larger root of
    2 n x^2 + b x - lost d (1 - d) = 0, with b = (2 n - gained + lost) d - gained - lost (Tango).
    """
    rejected, kept = -1.0, (gained - lost) / n
    for _ in range(60):
        middle = (rejected + kept) / 2
        linear = (2 * n - gained + lost) * middle - gained - lost
        constant = -lost * middle * (1 - middle)
        share = (math.sqrt(max(0.0, linear**2 - 8 * n * constant)) - linear) / (4 * n)
        variance = n * max(0.0, 2 * share + middle * (1 - middle))
        if gained - lost - 1 - n * middle > Z_95 * math.sqrt(variance):
            rejected = middle
        else:
            kept = middle
    return rejected


@lru_cache(4096)  # takes 3 ms, and a sweep repeats the same counts
def wilson_interval(correct: int, n: int) -> tuple[float, float]:
    """Return the 95 % Wilson score interval of an accuracy, as fractions.

    Args:
        correct: number of right answers.
        n: number of answers.

    Raises:
        ValueError: not ``0 <= correct <= n``, or no answers.
    """
    from scipy.stats import binomtest

    if n < 1 or not 0 <= correct <= n:
        raise ValueError(f"need 0 <= correct <= n and n >= 1, got correct={correct}, n={n}")
    interval = binomtest(correct, n).proportion_ci(confidence_level=0.95, method="wilson")
    return float(interval.low), float(interval.high)


def holm(p_values: Sequence[float]) -> list[float]:
    """Return Holm's step-down adjusted p values, in the order given."""
    count = len(p_values)
    adjusted = [0.0] * count
    largest = 0.0
    for rank, place in enumerate(sorted(range(count), key=lambda i: p_values[i])):
        largest = max(largest, min(1.0, (count - rank) * p_values[place]))
        adjusted[place] = largest
    return adjusted
