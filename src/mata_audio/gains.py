"""From settings to gains: one number for each layer, sample and head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor

from mata_audio.attention_free import with_attention
from mata_audio.errors import SettingsError
from mata_audio.gain_table import GainTable, describe_gains, steered
from mata_audio.layers import format_indices, parse_indices, resolve, scaled_paper_layers
from mata_audio.tokens import in_words

if TYPE_CHECKING:
    from mata_audio.families import Located
    from mata_audio.settings import MATA


def gains_on(settings: MATA, located: Located) -> Tensor:
    """Return the gains of ``settings`` on a model; shape and errors of :func:`settings_gains`."""
    return settings_gains(settings, located.depth, located.heads, located.attending)


def settings_gains(
    settings: MATA, layers: int, heads: int, attending: Sequence[int] | None = None
) -> Tensor:
    """Return the gains of ``settings`` on a decoder, shape ``(layers, 1, heads)``, float32.

    Args:
        settings: the MATA settings.
        layers: depth of the decoder.
        heads: query heads of a layer.
        attending: layers that have attention; None for all.

    Raises:
        SettingsError: a layer or head that the decoder does not have, a layer without attention, or
            a table of gains for a decoder of another shape.
    """
    if settings.gains is not None:
        _check_shape(settings.gains, layers, heads)
        return settings.alpha * torch.tensor(settings.gains)[:, None]
    chosen_layers = chosen(settings, layers, attending)
    named_heads = parse_indices("heads", settings.heads)
    chosen_heads = (
        tuple(range(heads))
        if named_heads is None
        else resolve("heads", named_heads, heads, "query heads")
    )
    gains = torch.zeros(layers, 1, heads)
    gains[torch.tensor(chosen_layers)[:, None], 0, torch.tensor(chosen_heads)] = settings.alpha
    return gains


def chosen(settings: MATA, depth: int, attending: Sequence[int] | None = None) -> tuple[int, ...]:
    """Return the layers that ``settings`` takes on a decoder of ``depth`` layers.

    Args:
        settings: the MATA settings.
        depth: of the decoder.
        attending: layers that have attention; None for all.

    Raises:
        SettingsError: a layer that the decoder does not have, or one without attention.
    """
    if settings.gains is not None:
        return resolve("layers", steered(settings.gains), depth, "decoder layers")
    named = parse_indices("layers", settings.layers)
    if named is None:
        named = scaled_paper_layers(depth)
    else:
        resolve("layers", named, depth, "decoder layers")
    return named if attending is None else with_attention(named, attending)


def describe(
    settings: MATA, layers: int, heads: int, attending: Sequence[int] | None = None
) -> str:
    """Return a setting on one model in words; arguments and errors as in :func:`settings_gains`."""
    settings_gains(settings, layers, heads, attending)
    rows = "" if settings.rows == "last" else f", rows {settings.rows}"
    if settings.rows.startswith("random"):
        rows += f" (seed {settings.seed})"
    rows += "" if settings.tokens == "audio" else f", {in_words(settings.tokens)} tokens"
    if settings.gains is not None:
        scale = "" if settings.alpha == 1 else f", alpha {settings.alpha:g} times"
        return f"{settings.formula}{scale}, {describe_gains(settings.gains)}{rows}"
    named_heads = parse_indices("heads", settings.heads)
    which = "all heads" if named_heads is None else f"heads {format_indices(named_heads)}"
    return (
        f"{settings.formula}, alpha {settings.alpha:g}, layers "
        f"{format_indices(chosen(settings, layers, attending))} of 0-{layers - 1}, {which}{rows}"
    )


def _check_shape(gains: GainTable, layers: int, heads: int) -> None:
    if (len(gains), len(gains[0])) != (layers, heads):
        raise SettingsError(
            f"the setting has gains for {len(gains)} layers and {len(gains[0])} heads; this model "
            f"has {layers} layers and {heads} heads: gains are of one model, tune them on this one"
        )
