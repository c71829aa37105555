"""A figure that a notebook shows as an image, whether or not Matplotlib was set up there."""

from __future__ import annotations

from matplotlib.figure import Figure

from mata_audio.shown.in_html import InHtml


class DrawnFigure(InHtml, Figure):
    """A Matplotlib figure; a notebook shows it as an image that follows dark mode."""

    @property
    def title(self) -> str:
        """What is written above the picture; empty if nothing is."""
        return str(self.get_suptitle())
