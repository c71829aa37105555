"""How the attention of a row is changed: the formulas.

A formula changes raw scores before the softmax, or weights after it. To add one, write it here
under ``@on_scores`` or ``@on_weights``: settings, the command line, the doctor and the tests take
it from :data:`FORMULAS`. The doctor's and the tests' references are written separately on purpose,
and fail until they know the new formula too.

A gain of 0 changes nothing. Results have the wider dtype of scores and gain, so scores in half
precision come back in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

ScoreChange = Callable[["Tensor", "Tensor"], "Tensor"]
WeightChange = Callable[["Tensor", "Tensor", Callable[[], "Tensor"]], "Tensor"]


@dataclass(frozen=True)
class Formula:
    """What is done to the attention of a row; one of the two is given.

    Args:
        on_scores: before mask and softmax: from (raw scores, gain) to scores.
        on_weights: after the softmax: from (weights, gain, without) to weights. The last returns
            the weights that the row would have if the changed keys did not exist; its own if it
            sees no other key.
    """

    on_scores: ScoreChange | None = None
    on_weights: WeightChange | None = None


FORMULAS: dict[str, Formula] = {}
"""Formulas that a setting may name."""


def on_scores(change: ScoreChange) -> ScoreChange:
    """Register a function of scores as a formula, under its own name."""
    FORMULAS[change.__name__] = Formula(on_scores=change)
    return change


def on_weights(change: WeightChange) -> WeightChange:
    """Register a function of weights as a formula, under its own name."""
    FORMULAS[change.__name__] = Formula(on_weights=change)
    return change


@on_scores
def multiply(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``(1 + gain) * scores``; the shapes broadcast.

    The paper's formula (arXiv 2509.18816, section 2). It lowers attention where a score is
    negative.
    """
    return scores.addcmul(scores, gain)


@on_scores
def absolute(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores + gain * |scores|``, as PAI does (ECCV 2024); the shapes broadcast."""
    return scores.addcmul(gain, scores.abs())


@on_scores
def add(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores + gain``, as in a later version of the paper; the shapes broadcast."""
    return scores + gain


@on_weights
def mass(weights: Tensor, gain: Tensor, without: Callable[[], Tensor]) -> Tensor:
    """Multiply the row's attention mass on the changed keys by ``1 + gain``, whatever their signs.

    With output o, and o_without if those keys did not exist, the output is
    ``o + gain * (o - o_without)``. Beyond a mass of 1 it extrapolates: other keys get negative
    weights. The weights still add up to 1. Our own.
    """
    more = weights * gain
    return (weights + more).addcmul(more.sum(dim=-1, keepdim=True), without(), value=-1)


@on_weights
def clipped_mass(weights: Tensor, gain: Tensor, without: Callable[[], Tensor]) -> Tensor:
    """Do as :func:`mass` does, but raise the mass to 1 at most, so that no weight is negative."""
    heard = weights.masked_fill(gain == 0, 0.0).sum(dim=-1, keepdim=True)
    taken = (weights * gain).sum(dim=-1, keepdim=True)
    most = (1 - heard).clamp(min=0)
    share = (most / taken.clamp(min=1e-12)).masked_fill(taken <= most, 1.0)
    return mass(weights, gain * share, without)


@on_weights
def value(weights: Tensor, gain: Tensor, without: Callable[[], Tensor]) -> Tensor:
    """Multiply the values of the changed keys by ``1 + gain``: the others keep their weights.

    The weights no longer add up to 1: audio is louder, and nothing else is quieter. Our own.
    """
    return weights.addcmul(weights, gain)


def knockout(scores: Tensor, gain: Tensor) -> Tensor:
    """Return ``scores`` with minus infinity where the gain is not 0: those keys are ignored.

    It measures where a model listens, and is no way to make it listen more; see
    :mod:`mata_audio.evaluation.choosing.knockout`.
    """
    return scores.masked_fill(gain != 0, float("-inf"))


KNOCKOUT = "knockout"
"""Name of a change that no setting may name."""


def change_named(name: str) -> Formula:
    """Return a formula, or the knockout."""
    return Formula(on_scores=knockout) if name == KNOCKOUT else FORMULAS[name]
