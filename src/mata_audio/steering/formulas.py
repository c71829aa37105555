"""How a raw audio score is changed: the three formulas, as functions.

``multiply`` is the paper's (arXiv 2509.18816, section 2): A' = (1 + alpha) A. It lowers attention
where A < 0. ``absolute`` is PAI's (ECCV 2024) A' = A + alpha |A|, and ``add`` the additive form
A' = A + alpha of a later version of the paper. A gain of 0 leaves a score as it is. Scores in half
precision come back in the wider dtype of the gain.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Formula = Callable[["Tensor", "Tensor"], "Tensor"]


def multiply(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``(1 + gain) * scores``; the shapes broadcast."""
    return scores * (1 + gain)


def absolute(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores + gain * |scores|``; the shapes broadcast."""
    return scores + gain * scores.abs()


def add(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores + gain``; the shapes broadcast."""
    return scores + gain


def knockout(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores`` with those of gain other than 0 out of reach: the key is not attended to.

    No way of listening more, but of measuring where a model listens; see
    :mod:`mata_audio.evaluation.choosing.knockout`.
    """
    return scores.masked_fill(gain != 0, float("-inf"))


FORMULAS: dict[str, Formula] = {"multiply": multiply, "absolute": absolute, "add": add}
"""What a setting may name."""

SCORE_CHANGES: dict[str, Formula] = {**FORMULAS, "knockout": knockout}
"""What an attachment may do to scores."""
