"""A picture: the figure as an image."""

from __future__ import annotations

from mata_audio.notebook import markup
from mata_audio.pictures.drawn import DrawnFigure


def html(figure: DrawnFigure) -> str:
    """Return a figure as an image, with its title as alternative text."""
    return markup.picture(figure.title, lambda: figure)
