"""The marker of each setting: a hollow circle for the baseline, then shapes in their colours.

The no-audio arm has the baseline's circle, struck through.
"""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from mata_audio.settings.colours import look

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
    """A path around the origin, about 10 pixels wide.

    Args:
        path: the path.
        colour: the name of its colour in style sheets, which is also a class.
        hollow: whether it is not filled.
    """

    path: str
    colour: str
    hollow: bool

    @property
    def style(self) -> str:
        """Its classes."""
        return f"{self.colour} hollow" if self.hollow else self.colour

    @property
    def svg(self) -> Markup:
        """The marker as a separate drawing, for headings."""
        return Markup(
            '<svg class="marker" viewBox="-7 -7 14 14" width="14" height="14" aria-hidden="true">'
            '<path class="{}" d="{}"/></svg>'
        ).format(self.style, self.path)


UNHEARD_MARKER = Marker(_CIRCLE + _STROKE, look(0).name, True)


def marker(index: int) -> Marker:
    """Return the marker of the setting at ``index``; 0 is the baseline."""
    own = look(index)
    return Marker(_CIRCLE if own.shape is None else _SHAPES[own.shape], own.name, own.hollow)
