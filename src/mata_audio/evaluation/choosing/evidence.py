"""What a method measured of each layer, and the setting along which alpha is then chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mata_audio.notation.layers import scaled_paper_layers
from mata_audio.settings.mata import MATA

DRAWS = 2_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence:
    """A score for each decoder layer, and what follows from it.

    Args:
        method: name of the method.
        unit: what a score is, in words.
        spread: what ``low`` and ``high`` are, in words.
        scores: one for each layer.
        low: lower end of each score's interval.
        high: upper end.
        items: how many were measured, each with one prefill.
        setting: the chosen layers, or gains, at full strength: alpha is chosen along it.
        facts: what else was measured, as JSON data.
    """

    method: str
    unit: str
    spread: str
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    items: int
    setting: MATA
    facts: Mapping[str, Any] = field(default_factory=dict)


def window_evidence(method: str, unit: str, per_item: Floats, seed: int = 0) -> Evidence:
    """Summarise the scores of items and choose the window of layers with the largest sum.

    The window is as wide as the paper's 10-20 of 28 at this depth.

    Args:
        method: name of the method.
        unit: what a score is, in words.
        per_item: shape ``(items, layers)``.
        seed: of the bootstrap.
    """
    items, depth = per_item.shape
    scores, low, high = bootstrap(per_item, seed)
    return Evidence(
        method=method,
        unit=unit,
        spread="95 % interval",
        scores=tuple(scores.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        items=items,
        setting=MATA(alpha=1, layers=best_window(scores, len(scaled_paper_layers(depth)))),
    )


def bootstrap(per_item: Floats, seed: int = 0) -> tuple[Floats, Floats, Floats]:
    """Return the mean over items and its 95 % interval, items drawn with replacement.

    Args:
        per_item: shape ``(items, values)``.
        seed: of the draws.

    Returns:
        Mean, lower and upper end, shape ``(values,)`` each.
    """
    items = len(per_item)
    counts = np.random.default_rng(seed).multinomial(items, np.full(items, 1 / items), size=DRAWS)
    low, high = np.quantile(counts @ per_item / items, [0.025, 0.975], axis=0)
    return per_item.mean(axis=0), low, high


def best_window(scores: Floats, width: int) -> tuple[int, ...]:
    """Return the consecutive layers with the largest sum; of equal ones the earliest."""
    sums = np.convolve(scores, np.ones(width), mode="valid")
    start = int(np.argmax(np.round(sums, 12)))
    return tuple(range(start, start + width))
