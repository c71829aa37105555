"""From a setting to gains: one number for each layer, sample and head."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

import torch
from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.notation.gains import GainTable, steered
from mata_audio.notation.layers import (
    ALL,
    layers_at,
    parse_indices,
    resolve,
    scaled_paper_layers,
    with_attention,
)

if TYPE_CHECKING:
    from mata_audio.families import Located


class Strengths(Protocol):
    """The fields of :class:`mata_audio.MATA` that gains are made of."""

    @property
    def alpha(self) -> float:
        """Strength."""

    @property
    def layers(self) -> Any:
        """Decoder layers, as :func:`mata_audio.notation.layers.read_layers` reads them."""

    @property
    def heads(self) -> Any:
        """Query heads; None for all."""

    @property
    def gains(self) -> GainTable | None:
        """A strength for each layer and head, instead of layers and heads."""


@dataclass(frozen=True)
class KeyGains:
    """How much the keys of one kind are changed on one model, and by which formula.

    Args:
        gains: shape ``(layers, batch or 1, heads)``. In a larger batch (beams) each sample's gains
            are repeated; its size must be a multiple. With ``requires_grad`` the model's output is
            differentiable in them.
        formula: name for :func:`mata_audio.steering.formulas.change_named`.
        keys: kind of the keys, as :func:`mata_audio.notation.keys.read_keys` returns it.
    """

    gains: Tensor
    formula: str = "multiply"
    keys: str = "audio"

    def steers(self, layer: int) -> bool:
        """Whether anything changes in ``layer``, or may, because the gains are being fitted."""
        return self.gains.requires_grad or bool(self.gains[layer].any())


def gains_on(setting: Strengths, located: Located) -> Tensor:
    """Return the gains of a setting on a model; shape and errors of :func:`gain_tensor`."""
    return gain_tensor(setting, located.depth, located.heads, located.attending)


def gain_tensor(
    setting: Strengths, layers: int, heads: int, attending: Sequence[int] | None = None
) -> Tensor:
    """Return the gains of a setting on a decoder, shape ``(layers, 1, heads)``, float32.

    Args:
        setting: a MATA setting.
        layers: depth of the decoder.
        heads: query heads of a layer.
        attending: layers that have attention; None for all.

    Raises:
        SettingsError: the decoder lacks a layer or head, a layer has no attention, or the table of
            gains is for a decoder of another shape.
    """
    if setting.gains is not None:
        _check_shape(setting.gains, layers, heads)
        return setting.alpha * torch.tensor(setting.gains)[:, None]
    steered_layers = chosen_layers(setting, layers, attending)
    named_heads = parse_indices("heads", setting.heads)
    chosen_heads = (
        tuple(range(heads))
        if named_heads is None
        else resolve("heads", named_heads, heads, "query heads")
    )
    gains = torch.zeros(layers, 1, heads)
    gains[torch.tensor(steered_layers)[:, None], 0, torch.tensor(chosen_heads)] = setting.alpha
    return gains


def chosen_layers(
    setting: Strengths, depth: int, attending: Sequence[int] | None = None
) -> tuple[int, ...]:
    """Return the layers that a setting steers in a decoder of ``depth`` layers.

    Args:
        setting: a MATA setting.
        depth: number of decoder layers.
        attending: layers that have attention; None for all.

    Raises:
        SettingsError: the decoder lacks a layer, or a layer has no attention.
    """
    if setting.gains is not None:
        return resolve("layers", steered(setting.gains), depth, "decoder layers")
    if setting.layers == ALL:
        return tuple(range(depth)) if attending is None else tuple(attending)
    named = layers_at(setting.layers, depth)
    if named is None:
        named = scaled_paper_layers(depth)
    else:
        resolve("layers", named, depth, "decoder layers")
    return named if attending is None else with_attention(named, attending)


def _check_shape(gains: GainTable, layers: int, heads: int) -> None:
    if (len(gains), len(gains[0])) != (layers, heads):
        raise SettingsError(
            f"the setting has gains for {len(gains)} layers and {len(gains[0])} heads; this model "
            f"has {layers} layers and {heads} heads. Gains fit one model: tune them on this one"
        )
