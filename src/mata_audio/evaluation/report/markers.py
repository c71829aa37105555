"""The marker of each setting: a hollow circle for the baseline, then filled shapes.

The no-audio arm has the baseline's circle, struck through.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

_CIRCLE = "M-4 0a4 4 0 1 0 8 0a4 4 0 1 0-8 0z"
_SHAPES = (
    "M-4-4h8v8h-8z",
    "M0-5.2L5 3.8H-5z",
    "M0-5.6L5.6 0L0 5.6L-5.6 0z",
    "M0 5.2L5-3.8H-5z",
    "M-2-5h4v3h3v4h-3v3h-4v-3h-3v-4h3z",
)


_STROKE = "M-5.5 5.5L5.5-5.5"


@dataclass(frozen=True)
class Marker:
    """A path around the origin, about 10 pixels wide, and its style."""

    path: str
    style: str

    @property
    def svg(self) -> Markup:
        """The marker as a separate drawing, for headings."""
        return Markup(
            '<svg class="marker" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">'
            '<path class="{}" d="{}"/></svg>'
        ).format(self.style, self.path)


UNHEARD_MARKER = Marker(_CIRCLE + _STROKE, "baseline hollow")


def marker(index: int) -> Marker:
    """Return the marker of the setting at ``index``; 0 is the baseline."""
    if index == 0:
        return Marker(_CIRCLE, "baseline hollow")
    cycle, shape = divmod(index - 1, len(_SHAPES))
    return Marker(_SHAPES[shape], "mata hollow" if cycle % 2 else "mata")
