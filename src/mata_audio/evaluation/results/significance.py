"""Statistics of accuracies, and of a baseline and a steered run on the same items."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np


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
        interval: 95 % paired bootstrap interval of the difference (steered - baseline).
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
    """Return all paired figures; arguments and errors as for :func:`paired_bootstrap`."""
    interval = paired_bootstrap(baseline_correct, steered_correct)
    before = np.asarray(baseline_correct, dtype=bool)
    after = np.asarray(steered_correct, dtype=bool)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    return PairedFigures(
        items=before.size,
        baseline=float(before.mean()),
        steered=float(after.mean()),
        gained=gained,
        lost=lost,
        p=mcnemar_exact(gained, lost),
        interval=interval,
    )


def mcnemar_exact(gained: int, lost: int) -> float:
    """Return the two-sided exact McNemar p value of the discordant pairs.

    Args:
        gained: items wrong before and right after.
        lost: items right before and wrong after.

    Returns:
        The probability, if gaining and losing were equally likely, of a split at least this uneven.
        1.0 when nothing changed.

    Raises:
        ValueError: a count is negative.
    """
    from scipy.stats import binomtest

    if gained < 0 or lost < 0:
        raise ValueError(f"counts must not be negative, got gained={gained}, lost={lost}")
    if gained + lost == 0:
        return 1.0
    return float(binomtest(gained, gained + lost, 0.5).pvalue)


def paired_bootstrap(
    baseline_correct: Sequence[bool] | np.ndarray,
    steered_correct: Sequence[bool] | np.ndarray,
    draws: int = 10_000,
    seed: int = 0,
    level: float = 0.95,
) -> tuple[float, float]:
    """Return the percentile interval of the accuracy difference (steered - baseline).

    Args:
        baseline_correct: one bool per item, shape ``(items,)``.
        steered_correct: the same items in the same order.
        draws: number of bootstrap resamples.
        seed: seed for the resampling.
        level: coverage of the interval.

    Returns:
        ``(low, high)`` as fractions, not percent.

    Raises:
        ValueError: the sequences differ in length or are empty.
    """
    before = np.asarray(baseline_correct, dtype=bool)
    after = np.asarray(steered_correct, dtype=bool)
    if before.shape != after.shape or before.ndim != 1 or before.size == 0:
        raise ValueError(
            "paired_bootstrap needs two non-empty sequences of the same items, "
            f"got shapes {before.shape} and {after.shape}"
        )
    # Only the numbers gained and lost matter in a resample of pairs: a multinomial draw.
    items = before.size
    gained = int((~before & after).sum())
    lost = int((before & ~after).sum())
    shares = [gained / items, lost / items, (items - gained - lost) / items]
    counts = np.random.default_rng(seed).multinomial(items, shares, size=draws)
    differences = (counts[:, 0] - counts[:, 1]) / items
    low, high = np.quantile(differences, [(1 - level) / 2, (1 + level) / 2])
    return float(low), float(high)


Z_95 = 1.959963984540054
"""Two-sided 95 % quantile of the normal distribution."""
Z_POWER_80 = 0.8416212335729143
"""One-sided 80 % quantile."""
FEWEST_DISCORDANT = 6
"""Fewest pairs, all of one kind, for which the exact McNemar p is below 0.05 (2 / 2**6 = 0.031)."""


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


def smallest_difference(n: int, discordant: int) -> float:
    """Return the smallest accuracy difference that n pairs show with 80 % power at the 5 % level.

    Uses Connor's approximation (1987) for McNemar's test with the observed discordance. Never less
    than what the exact test needs to reach significance at all.

    Args:
        n: number of pairs.
        discordant: number of pairs in which one answer is right and the other wrong.

    Raises:
        ValueError: not ``0 <= discordant <= n``, or no pairs.
    """
    if n < 1 or not 0 <= discordant <= n:
        raise ValueError(f"need 0 <= discordant <= n and n >= 1, got {discordant} of {n}")
    share = discordant / n
    low, high = 0.0, share
    for _ in range(60):
        middle = (low + high) / 2
        reach = Z_95 * math.sqrt(share) + Z_POWER_80 * math.sqrt(share - middle**2)
        low, high = (middle, high) if reach > middle * math.sqrt(n) else (low, middle)
    return min(1.0, max(high, FEWEST_DISCORDANT / n))
