"""What a method measured of each layer, and the window of layers that follows from it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mata_audio.layers import scaled_paper_layers

DRAWS = 2_000


@dataclass(frozen=True)
class Evidence:
    """A score for each decoder layer.

    Args:
        method: name of the method.
        unit: what a score is, in words.
        scores: mean over items, one for each layer.
        low: of the 95 % bootstrap interval of each mean, items drawn with replacement.
        high: of the same.
        items: how many were measured, each with one prefill.
        layers: the chosen window.
    """

    method: str
    unit: str
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    items: int
    layers: tuple[int, ...]


def make_evidence(method: str, unit: str, per_item: NDArray[np.float64], seed: int = 0) -> Evidence:
    """Summarise the scores of items and choose the window of the largest sum.

    The window is as wide as the paper's 10-20 of 28 at this depth.

    Args:
        method: name of the method.
        unit: what a score is, in words.
        per_item: shape ``(items, layers)``.
        seed: of the bootstrap.
    """
    items, depth = per_item.shape
    rng = np.random.default_rng(seed)
    counts = rng.multinomial(items, np.full(items, 1 / items), size=DRAWS)
    low, high = np.quantile(counts @ per_item / items, [0.025, 0.975], axis=0)
    scores = per_item.mean(axis=0)
    return Evidence(
        method=method,
        unit=unit,
        scores=tuple(scores.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        items=items,
        layers=best_window(scores, len(scaled_paper_layers(depth))),
    )


def best_window(scores: NDArray[np.float64], width: int) -> tuple[int, ...]:
    """Return the consecutive layers with the largest sum; of equal ones the earliest."""
    sums = np.convolve(scores, np.ones(width), mode="valid")
    start = int(np.argmax(np.round(sums, 12)))
    return tuple(range(start, start + width))
