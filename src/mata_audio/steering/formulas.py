"""How one raw audio score is changed: the formulas, as functions of (raw scores, gain).

To add a formula, write it here under ``@formula``: settings, the command line, the doctor and the
tests take it from :data:`FORMULAS`. The doctor's and the tests' references are written separately
on purpose, and fail until they know the new formula too.

A gain of 0 leaves a score unchanged. The result has the wider dtype of scores and gain, so scores
in half precision come back in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

Formula = Callable[["Tensor", "Tensor"], "Tensor"]

FORMULAS: dict[str, Formula] = {}
"""Formulas that a setting may name."""

SCORE_CHANGES: dict[str, Formula] = {}
"""Everything an attachment may do to scores: the formulas, and ``knockout``."""


def formula(change: Formula) -> Formula:
    """Register a function as a formula, under its own name."""
    FORMULAS[change.__name__] = SCORE_CHANGES[change.__name__] = change
    return change


@formula
def multiply(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``(1 + gain) * scores``; the shapes broadcast.

    The paper's formula (arXiv 2509.18816, section 2). It lowers attention where a score is
    negative.
    """
    return scores * (1 + gain)


@formula
def absolute(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores + gain * |scores|``, as PAI does (ECCV 2024); the shapes broadcast."""
    return scores + gain * scores.abs()


@formula
def add(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores + gain``, as in a later version of the paper; the shapes broadcast."""
    return scores + gain


def knockout(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores`` with minus infinity where the gain is not 0: those keys are ignored.

    It measures where a model listens, and is no way to make it listen more; see
    :mod:`mata_audio.evaluation.choosing.knockout`.
    """
    return scores.masked_fill(gain != 0, float("-inf"))


SCORE_CHANGES["knockout"] = knockout
