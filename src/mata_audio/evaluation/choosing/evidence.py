"""The measurement of each layer, and the setting that follows from it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mata_audio.methods.mata import MATA
from mata_audio.methods.method import Method
from mata_audio.notation.layers import scaled_paper_layers
from mata_audio.shown.one_line import OneLine

DRAWS = 2_000

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Evidence(OneLine):
    """A score for each decoder layer, and the setting that follows from it.

    Args:
        by: name of the way to choose.
        unit: what a score is, in words.
        spread: what ``low`` and ``high`` are, in words.
        scores: one for each layer.
        low: lower end of each score's interval.
        high: upper end of each score's interval.
        items: number of items measured, each with one prefill.
        setting: the chosen layers, or gains, at alpha 1; alpha is then chosen for it.
        facts: further measurements, as JSON data.
    """

    by: str
    unit: str
    spread: str
    scores: tuple[float, ...]
    low: tuple[float, ...]
    high: tuple[float, ...]
    items: int
    setting: Method
    facts: Mapping[str, Any] = field(default_factory=dict)

    @property
    def found(self) -> bool:
        """Whether the setting changes anything: gains may have been fitted to zero."""
        rule = self.setting.rule()
        return rule.combine is not None or any(
            change.gains is None or any(map(any, change.gains)) for change in rule.views[0]
        )


def window_evidence(by: str, unit: str, per_item: Floats) -> Evidence:
    """Average the items' scores and choose the window of layers with the largest sum.

    The window is as wide as the paper's (layers 10-20 of 28), scaled to this depth.

    Args:
        by: name of the way to choose.
        unit: what a score is, in words.
        per_item: shape ``(items, layers)``.
    """
    items, depth = per_item.shape
    scores, low, high = bootstrap(per_item)
    return Evidence(
        by=by,
        unit=unit,
        spread="95 % interval",
        scores=tuple(scores.tolist()),
        low=tuple(low.tolist()),
        high=tuple(high.tolist()),
        items=items,
        setting=MATA(alpha=1, layers=best_window(scores, len(scaled_paper_layers(depth)))),
    )


def bootstrap(per_item: Floats) -> tuple[Floats, Floats, Floats]:
    """Return the mean over items and its 95 % interval, by drawing items with replacement.

    The draws are always the same.

    Args:
        per_item: shape ``(items, ...)``.

    Returns:
        Mean, lower end and upper end, each of shape ``(...)``.
    """
    items = len(per_item)
    counts = np.random.default_rng(0).multinomial(items, np.full(items, 1 / items), size=DRAWS)
    means = np.tensordot(counts, per_item, axes=1) / items
    low, high = np.quantile(means, [0.025, 0.975], axis=0)
    return per_item.mean(axis=0), low, high


def best_window(scores: Floats, width: int) -> tuple[int, ...]:
    """Return the consecutive layers with the largest sum; of equal windows, the earliest."""
    sums = np.convolve(scores, np.ones(width), mode="valid")
    start = int(np.argmax(np.round(sums, 12)))
    return tuple(range(start, start + width))
