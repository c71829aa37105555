"""How a raw audio score is changed: the three formulas, as functions.

A formula maps a raw score ``A`` and a gain to what is **added** to the score before the softmax.
``multiply`` is the paper's (arXiv 2509.18816, section 2): A' = (1 + alpha) A = A + alpha A. It lowers
attention where A < 0. ``absolute`` is PAI's (ECCV 2024) A' = A + alpha |A|, and ``add`` the additive
form A' = A + alpha of a later version of the paper.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Formula = Callable[["Tensor", "Tensor"], "Tensor"]


def multiply(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``gain * scores``; broadcasts over any shapes."""
    return gain * scores


def absolute(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``gain * |scores|``; broadcasts over any shapes."""
    return gain * scores.abs()


def add(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``gain``, in the shape of ``scores``."""
    return gain.expand_as(scores)


FORMULAS: dict[str, Formula] = {"multiply": multiply, "absolute": absolute, "add": add}
