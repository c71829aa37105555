"""A strength for each layer and head: the table of floats in a setting."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from numbers import Real
from typing import Any

from mata_audio.errors import SettingsError, SettingsTypeError

GainTable = Sequence[Sequence[float]]


def read_gains(value: Any, most: float) -> tuple[tuple[float, ...], ...]:
    """Return gains as rows of floats, one row a layer; arrays and tensors are read too.

    Args:
        value: shape ``(layers, heads)``.
        most: greatest absolute value of a gain.

    Raises:
        SettingsTypeError: the value is not a table of numbers.
        SettingsError: it is empty, its rows differ in length, or a gain is not allowed.
    """
    listed = value.tolist() if hasattr(value, "tolist") else value
    if not _is_list(listed) or not all(_is_list(row) for row in listed):
        raise SettingsTypeError(f"gains must be a list of numbers for each layer; got {value!r}")
    rows = [list(row) for row in listed]
    if not rows or not rows[0] or len({len(row) for row in rows}) > 1:
        raise SettingsError(
            "gains must have a row for each layer and in it a number for each head; got rows of "
            f"{', '.join(map(str, sorted({len(row) for row in rows}))) or 'no'} numbers"
        )
    for row in rows:
        for gain in row:
            if isinstance(gain, bool) or not isinstance(gain, Real):
                raise SettingsTypeError(f"gains must be numbers; got {gain!r}")
            if not abs(float(gain)) <= most:
                raise SettingsError(f"gains must be finite, from -{most} to {most}; got {gain!r}")
    return tuple(tuple(float(gain) for gain in row) for row in rows)


def steered(gains: GainTable) -> tuple[int, ...]:
    """Return the layers in which at least one gain is not 0."""
    return tuple(layer for layer, row in enumerate(gains) if any(row))


def describe_gains(gains: GainTable) -> str:
    """Return a table of gains in words, such as ``12 x 4 gains from -0.5 to 1.2``."""
    values = [gain for row in gains for gain in row]
    return f"{len(gains)} x {len(gains[0])} gains from {min(values):.3g} to {max(values):.3g}"


def _is_list(value: Any) -> bool:
    return isinstance(value, Iterable) and not isinstance(value, (str, bytes, dict))
