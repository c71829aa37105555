"""From settings to gains: one number for each layer, sample and head."""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mata_audio.layers import resolve, scaled_paper_layers

if TYPE_CHECKING:
    from mata_audio.settings import MATA


def settings_gains(settings: MATA, layers: int, heads: int) -> Tensor:
    """Return the gains of ``settings`` on a decoder, shape ``(layers, 1, heads)``, float32.

    Args:
        settings: the MATA settings.
        layers: depth of the decoder.
        heads: query heads of a layer.

    Raises:
        SettingsError: a layer or head that the decoder does not have.
    """
    chosen_layers = chosen(settings, layers)
    chosen_heads = (
        tuple(range(heads))
        if settings.heads is None
        else resolve("heads", tuple(settings.heads), heads, "query heads")
    )
    gains = torch.zeros(layers, 1, heads)
    gains[torch.tensor(chosen_layers)[:, None], 0, torch.tensor(chosen_heads)] = settings.alpha
    return gains


def chosen(settings: MATA, depth: int) -> tuple[int, ...]:
    """Return the layers that ``settings`` takes on a decoder of ``depth`` layers.

    Raises:
        SettingsError: a layer that the decoder does not have.
    """
    if settings.layers is None:
        return scaled_paper_layers(depth)
    return resolve("layers", tuple(settings.layers), depth, "decoder layers")
