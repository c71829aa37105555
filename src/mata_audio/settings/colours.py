"""The colour and shape of each setting, by its place in a run: one list for pictures and pages.

Colours stay apart for every kind of colour blindness, and text in them can be read on white. There
are four of them and five shapes, so 20 settings differ in one or the other; the next 20 are hollow.
On dark pages a colour keeps its hue and its lightness is turned round, by one linear map.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

BASELINE_COLOUR = "#a3500a"
COLOURS = ("#14599f", "#1c4d17", "#91548e", "#852f55")
SHAPES = 5
"""Shapes of settings; the baseline has its own."""

PAPER = "#ffffff"
INK = "#1b211f"
DARK_PAPER = "#1c201f"
DARK_INK = "#e6eae8"

Places = Mapping[str, int]
"""Places in a run by name of setting; the baseline's is 0."""

_BRIGHTNESS = (0.2126, 0.7152, 0.0722)
_CHROMA = 0.8
"""Share of its distance to grey that a colour keeps in the dark; more would leave sRGB."""


@dataclass(frozen=True)
class Look:
    """How a setting is drawn.

    Args:
        name: its colour's name in style sheets: ``baseline``, or ``setting-1`` and so on.
        colour: its colour on white, as ``#rrggbb``; :func:`in_the_dark` has the other.
        shape: its number in a list of :data:`SHAPES` shapes; None for the baseline's.
        hollow: whether its marker is not filled.
    """

    name: str
    colour: str
    shape: int | None
    hollow: bool


def look(place: int) -> Look:
    """Return how the setting at ``place`` in its run is drawn; 0 is the baseline."""
    if place == 0:
        return Look("baseline", BASELINE_COLOUR, None, True)
    number = place - 1
    colour = number % len(COLOURS)
    hollow = number // (len(COLOURS) * SHAPES) % 2 == 1
    return Look(f"setting-{colour + 1}", COLOURS[colour], number % SHAPES, hollow)


def places_of(names: Iterable[str], known: Places | None = None) -> dict[str, int]:
    """Return the places of settings: those in ``known``, then each next free one, in order."""
    found = dict(known or {})
    free = max(found.values(), default=-1) + 1
    for name in names:
        if name not in found:
            found[name], free = free, free + 1
    return found


def named_colours() -> dict[str, str]:
    """Return the colours on white by their names in style sheets."""
    return {own.name: own.colour for own in map(look, range(1 + len(COLOURS)))}


def in_the_dark(colour: str) -> str:
    """Return a colour as it is on a dark page; white becomes :data:`DARK_PAPER`."""
    parts = (*_parts(colour), 1.0)
    turned = [sum(a * b for a, b in zip(row, parts, strict=True)) for row in DARK]
    return "#" + "".join(f"{round(255 * min(1.0, max(0.0, part))):02x}" for part in turned)


def _parts(colour: str) -> tuple[float, float, float]:
    red, green, blue = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    return red, green, blue


def _dark() -> tuple[tuple[float, ...], ...]:
    """Return the rows that turn red, green, blue and 1 into red, green or blue in the dark."""
    ink = sum(share * part for share, part in zip(_BRIGHTNESS, _parts(INK), strict=True))
    rows = []
    for channel, (end, start) in enumerate(zip(_parts(DARK_PAPER), _parts(DARK_INK), strict=True)):
        slope = (start - end) / (1 - ink)  # of 1 - brightness
        own = [-(slope + _CHROMA) * share for share in _BRIGHTNESS]
        own[channel] += _CHROMA
        rows.append((*own, end + slope))
    return tuple(rows)


DARK = _dark()
"""The linear map of :func:`in_the_dark`, of sRGB values from 0 to 1, as rows of four factors."""
