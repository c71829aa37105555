"""Layers without attention: Mamba, experts or an MLP in the place of a decoder layer.

Layer numbers are those of the decoder, whatever its layers do. A range may span layers that do not
attend, and takes the others; a layer that is named by itself must attend. The settings keep layers
as a set of numbers ("3-5" and [3, 4, 5] are one setting, also in a file), so named by itself is a
number without a neighbour in the set.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable

from mata_audio.errors import SettingsError
from mata_audio.layers import format_indices


def with_attention(layers: tuple[int, ...], attending: Collection[int]) -> tuple[int, ...]:
    """Return those of ``layers`` that attend.

    Args:
        layers: chosen decoder layers.
        attending: decoder layers that have attention.

    Raises:
        SettingsError: a layer named by itself does not attend, or none of them does.
    """
    chosen = set(layers)
    alone = tuple(i for i in layers if not {i - 1, i + 1} & chosen)
    check_attending(alone if chosen & set(attending) else layers, attending)
    return tuple(i for i in layers if i in attending)


def check_attending(layers: Iterable[int], attending: Collection[int]) -> None:
    """Refuse ``layers`` that do not attend.

    Raises:
        SettingsError: one does not; the message says which do.
    """
    wrong = tuple(i for i in layers if i not in attending)
    if wrong:
        raise SettingsError(
            f"layers {format_indices(wrong)}: no attention there (Mamba, experts or MLP), so there "
            "are no scores to change; this model's layers with attention are "
            f"{format_indices(tuple(attending))}. A range may span the others"
        )
