"""A setting in words: a short name for tables, and what it does to a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mata_audio.notation.gains import describe_gains
from mata_audio.notation.layers import format_indices, parse_indices
from mata_audio.notation.tokens import in_words
from mata_audio.settings.mata import MATA

if TYPE_CHECKING:
    from mata_audio.families import Located


def short_name(mata: MATA) -> str:
    """Return a name that differs between settings, such as ``alpha 0.1, layers 10-20``."""
    layers, heads = parse_indices("layers", mata.layers), parse_indices("heads", mata.heads)
    parts = [f"alpha {mata.alpha:g}"]
    parts += [] if layers is None else [f"layers {format_indices(layers)}"]
    parts += [] if heads is None else [f"heads {format_indices(heads)}"]
    parts += [] if mata.gains is None else [describe_gains(mata.gains)]
    parts += [] if mata.formula == "multiply" else [mata.formula]
    parts += [] if mata.rows == "last" else [f"rows {mata.rows}"]
    parts += [] if mata.tokens == "audio" else [f"tokens {mata.tokens}"]
    parts += [] if not mata.seed else [f"seed {mata.seed}"]
    return ", ".join(parts)


def describe_on(mata: MATA, located: Located) -> str:
    """Return what a setting does to a model; errors as for :func:`describe`."""
    return describe(mata, located.depth, located.heads, located.attending)


def describe(mata: MATA, layers: int, heads: int, attending: Sequence[int] | None = None) -> str:
    """Return what a setting does to a decoder, in words.

    Args:
        mata: the setting.
        layers: depth of the decoder.
        heads: query heads of a layer.
        attending: layers that have attention; None for all.

    Raises:
        SettingsError: the setting does not fit the decoder.
    """
    from mata_audio.steering.gain_tensor import chosen_layers, gain_tensor

    gain_tensor(mata, layers, heads, attending)  # raises if the setting does not fit
    rows = "" if mata.rows == "last" else f", rows {mata.rows}"
    if mata.rows.startswith("random"):
        rows += f" (seed {mata.seed})"
    rows += "" if mata.tokens == "audio" else f", {in_words(mata.tokens)} tokens"
    if mata.gains is not None:
        scale = "" if mata.alpha == 1 else f", alpha {mata.alpha:g} times"
        return f"{mata.formula}{scale}, {describe_gains(mata.gains)}{rows}"
    named_heads = parse_indices("heads", mata.heads)
    which = "all heads" if named_heads is None else f"heads {format_indices(named_heads)}"
    steered = format_indices(chosen_layers(mata, layers, attending))
    return (
        f"{mata.formula}, alpha {mata.alpha:g}, layers {steered} of 0-{layers - 1}, {which}{rows}"
    )
