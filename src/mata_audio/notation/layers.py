"""Reading and checking sets of layers or heads: ``"10-20"``, ``range(10, 20)`` or ``[3, 5]``."""

from __future__ import annotations

import itertools
import re
from collections.abc import Collection, Iterable
from numbers import Integral

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.notation.did_you_mean import did_you_mean

PAPER_DEPTH = 28
PAPER_LAYERS = range(10, 21)
"""The published layers, 10 to 20 inclusive of 28 (arXiv 2509.18816, section 3)."""

MAX_INDEX = 9999
"""No decoder is that deep; keeps a mistyped range from filling the memory."""

ALL = "all"
"""Every layer that has attention: a setting may say so before the depth is known."""

_OF_DEPTH = re.compile(r"(\d{1,9})\s*-\s*(\d{1,9})\s+of\s+(\d{1,9})")
"""Layers of a decoder of another depth, such as ``"9-14 of 32"``."""

_PART = re.compile(r"(\d+)(?:\s*-\s*(\d+))?")
_HOW = (
    'a range, an iterable of ints, a string such as "10-20" (inclusive) or "10,12,15-17", or None'
)


def parse_indices(field: str, value: object) -> tuple[int, ...] | None:
    """Read a set of indices as users write it into sorted, distinct ints; None stays None.

    Args:
        field: name of the setting, for error messages.
        value: a range, an iterable of ints, a string (ranges in it are inclusive), or None.

    Raises:
        SettingsTypeError: the value has another type, or holds items that are not ints.
        SettingsError: the set is empty, an index is negative or above :data:`MAX_INDEX`, or a
            string cannot be read.
    """
    if value is None:
        return None
    if isinstance(value, str):
        indices = _parse_string(field, value)
    elif isinstance(value, Iterable):
        indices = list(itertools.islice(value, MAX_INDEX + 2))
        wrong = [i for i in indices if isinstance(i, bool) or not isinstance(i, Integral)]
        if wrong:
            raise SettingsTypeError(f"{field} must be {_HOW}; got the item {wrong[0]!r}")
        indices = [int(index) for index in indices]
    else:
        raise SettingsTypeError(f"{field} must be {_HOW}; got {value!r}")
    if not indices:
        raise SettingsError(f"{field} is empty; give {_HOW}")
    if min(indices) < 0:
        raise SettingsError(f"{field} must be 0 or more; got {min(indices)}")
    if max(indices) > MAX_INDEX:
        raise SettingsError(f"{field} must be {MAX_INDEX} or less; got {max(indices)}")
    return tuple(sorted(set(indices)))


def read_layers(value: object) -> tuple[int, ...] | str | None:
    """Read decoder layers as users write them; errors of :func:`parse_indices`.

    Besides what that reads, they may be ``"all"``, or a range of a decoder of another depth such as
    ``"9-14 of 32"``: the layers at the same relative depth. Both stay strings.
    """
    if isinstance(value, str) and value == ALL:
        return ALL
    published = _OF_DEPTH.fullmatch(value.strip()) if isinstance(value, str) else None
    if published is None:
        return parse_indices("layers", value)
    first, last, depth = (int(number) for number in published.groups())
    if not first <= last < depth <= MAX_INDEX:
        raise SettingsError(
            f"layers={value!r}: a decoder of {depth} layers has layers 0-{depth - 1}; give a range "
            f'of them, such as "9-14 of 32"'
        )
    return f"{first}-{last} of {depth}"


def layers_at(layers: object, depth: int) -> tuple[int, ...] | None:
    """Return the indices of what :func:`read_layers` returns in a decoder of ``depth`` layers.

    None, and ``"all"``, are None: what they mean is for the caller to say.
    """
    read = read_layers(layers)
    if read is None or read == ALL:
        return None
    if isinstance(read, tuple):
        return read
    first, last, of = (int(number) for number in re.findall(r"\d+", read))
    return scaled_layers(range(first, last + 1), depth, of)


def _parse_string(field: str, text: str) -> list[int]:
    indices: list[int] = []
    for part in text.split(","):
        match = _PART.fullmatch(part.strip())
        if match is None:
            hint = did_you_mean(text, [ALL]) if field == "layers" else ""
            raise SettingsError(f"{field}={text!r} cannot be read{hint}; give {_HOW}")
        first, last = int(match[1]), int(match[2] or match[1])
        if last < first:
            raise SettingsError(
                f"{field}={text!r}: the range {part.strip()} runs backwards; give {last}-{first}"
            )
        indices.extend(range(first, min(last, MAX_INDEX + 1) + 1))
    return indices


def scaled_paper_layers(depth: int) -> tuple[int, ...]:
    """Return the published layers, scaled to a decoder with ``depth`` layers."""
    return scaled_layers(PAPER_LAYERS, depth)


def scaled_layers(layers: range, depth: int, of: int = PAPER_DEPTH) -> tuple[int, ...]:
    """Return the layers at the relative depth of ``layers`` in another decoder; at least one.

    Args:
        layers: consecutive layers, such as ``range(10, 21)``.
        depth: number of decoder layers.
        of: depth of the decoder that ``layers`` are of; the paper's 28.
    """
    start = round(layers.start * depth / of)
    stop = round(layers.stop * depth / of)
    start = min(start, depth - 1)
    return tuple(range(start, max(stop, start + 1)))


def resolve(field: str, indices: tuple[int, ...], count: int, of_what: str) -> tuple[int, ...]:
    """Return ``indices`` once all are known to be below ``count``.

    Raises:
        SettingsError: one is not; the message gives the valid range.
    """
    wrong = [index for index in indices if index >= count]
    if wrong:
        raise SettingsError(
            f"{field} {format_indices(tuple(wrong))} out of range: "
            f"this model has {count} {of_what}, numbered 0-{count - 1}"
        )
    return indices


def format_layers(layers: object) -> str:
    """Write layers as users do; empty for None."""
    read = read_layers(layers)
    return read if isinstance(read, str) else format_indices(read or ())


def format_indices(indices: tuple[int, ...]) -> str:
    """Write a set of indices as users do: ``(4, 5, 6, 9)`` as ``"4-6,9"``."""
    parts: list[str] = []
    run: list[int] = []
    for index in [*indices, None]:
        if index is not None and run and index == run[-1] + 1:
            run.append(index)
            continue
        if run:
            parts.append(str(run[0]) if len(run) == 1 else f"{run[0]}-{run[-1]}")
        run = [] if index is None else [index]
    return ",".join(parts)


def with_attention(layers: tuple[int, ...], attending: Collection[int]) -> tuple[int, ...]:
    """Return those of ``layers`` that have attention.

    Args:
        layers: chosen decoder layers.
        attending: decoder layers that have attention.

    Raises:
        SettingsError: none of the layers has attention, or one that is not part of a range has
            none.
    """
    chosen = set(layers)
    isolated = tuple(i for i in layers if not {i - 1, i + 1} & chosen)
    check_attending(isolated if chosen & set(attending) else layers, attending)
    return tuple(i for i in layers if i in attending)


def check_attending(layers: Iterable[int], attending: Collection[int]) -> None:
    """Refuse ``layers`` that have no attention.

    Raises:
        SettingsError: one does not; the message says which do.
    """
    wrong = tuple(i for i in layers if i not in attending)
    if wrong:
        raise SettingsError(
            f"there is no attention in layers {format_indices(wrong)} (but Mamba, experts or MLP), "
            "so no scores to change; this model's layers with attention are "
            f"{format_indices(tuple(attending))}. A range may include the others"
        )
