"""How the attention of a row is changed: the formulas.

A formula changes raw scores before the softmax, weights after it, or the mass: the share of a
row's attention that goes to the changed keys. To add one, write it here under ``@on_scores``,
``@on_weights`` or ``@on_mass``: settings, the command line, the doctor and the tests take it from
:data:`FORMULAS`. The doctor's and the tests' references are written separately on purpose, and fail
until they know the new formula too.

A gain of 0 changes nothing. Results have the wider dtype of scores and gain, so scores in half
precision come back in float32.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from torch import Tensor

KeyChange = Callable[["Tensor", "Tensor"], "Tensor"]
MassChange = Callable[..., "Tensor"]

WITHOUT = "without the changed keys"
ONLY = "only the changed keys"


@dataclass(frozen=True)
class Formula:
    """What is done to the attention of a row; one of the first three is given.

    Args:
        on_scores: before mask and softmax: from (raw scores, gain) to scores, with a gain for each
            key, 0 where it is not changed.
        on_weights: after the softmax: from (weights, gain) to weights, with such a gain.
        on_mass: after the softmax: from (weights, factor, ...) to weights, where factor is 1 + gain
            of each head, and the others are the weights in ``compared``.
        compared: :data:`WITHOUT`, :data:`ONLY` or both: weights that the row would have if keys did
            not exist. It has its own if it sees no others.
    """

    on_scores: KeyChange | None = None
    on_weights: KeyChange | None = None
    on_mass: MassChange | None = None
    compared: tuple[str, ...] = ()

    def applied(self, gain: Tensor, keys: Tensor) -> Tensor:
        """Return what the function is given: a gain for each key, or the factor of each head.

        Args:
            gain: of each head, shape ``(..., heads, 1, 1)``; 1 head may stand for all.
            keys: True at the changed keys, shape ``(..., 1, 1, keys)``.
        """
        return gain * keys if self.on_mass is None else 1 + gain


FORMULAS: dict[str, Formula] = {}
"""Formulas that a setting may name."""


def on_scores(change: KeyChange) -> KeyChange:
    """Register a function of scores as a formula, under its own name."""
    FORMULAS[change.__name__] = Formula(on_scores=change)
    return change


def on_weights(change: KeyChange) -> KeyChange:
    """Register a function of weights as a formula, under its own name."""
    FORMULAS[change.__name__] = Formula(on_weights=change)
    return change


def on_mass(*compared: str) -> Callable[[MassChange], MassChange]:
    """Register a function of the mass as a formula, under its own name, with what it compares."""

    def register(change: MassChange) -> MassChange:
        FORMULAS[change.__name__] = Formula(on_mass=change, compared=compared)
        return change

    return register


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


@on_mass(WITHOUT)
def mass(weights: Tensor, factor: Tensor, without: Tensor) -> Tensor:
    """Multiply the row's attention mass on the changed keys by ``1 + gain``, whatever their signs.

    With output o, and o_without if those keys did not exist, the output is
    ``o + gain * (o - o_without)``. Beyond a mass of 1 it extrapolates: other keys get negative
    weights. The weights still add up to 1. Our own.
    """
    return without.lerp(weights, factor.to(weights.dtype))


@on_mass(WITHOUT, ONLY)
def clipped_mass(weights: Tensor, factor: Tensor, without: Tensor, only: Tensor) -> Tensor:
    """Do as :func:`mass` does, but keep the mass between 0 and 1, so that no weight is negative."""
    return mass(weights, factor, without).relu().minimum(without + only)


@on_weights
def value(weights: Tensor, gain: Tensor) -> Tensor:
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
