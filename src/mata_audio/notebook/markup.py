"""Tables and pictures as HTML that stands in any page: no style sheet, no script."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from markupsafe import Markup

from mata_audio.evaluation.report.pictures import Picture
from mata_audio.pictures import MissingMatplotlibError, content

if TYPE_CHECKING:
    from matplotlib.figure import Figure

_TABLE = Markup('<table><caption style="text-align:left">{}</caption>{}</table>')
_IMAGE = Markup('<img alt="{}" style="max-width:100%" src="{}">')


def table(caption: str, columns: Sequence[str], rows: Iterable[Sequence[str]]) -> Markup:
    """Return a table; the first cell of a row is its heading.

    Args:
        caption: what it shows.
        columns: headings of numbers, right-aligned; none for a table of words.
        rows: with as many cells as there are columns.
    """
    side = "right" if columns else "left"
    head = _row("th", columns) if columns else Markup()
    return _TABLE.format(caption, head + Markup().join(_row("td", row, side) for row in rows))


def paragraph(text: str) -> Markup:
    """Return a paragraph."""
    return Markup("<p>{}</p>").format(text)


def picture(name: str, draw: Callable[[], Figure]) -> Markup:
    """Return a picture as an image, in which no script runs; nothing without Matplotlib.

    Args:
        name: of the picture, for its alternative text.
        draw: makes the figure.
    """
    try:
        drawn = Picture(name, content(draw()))
    except MissingMatplotlibError:
        return Markup()
    return _IMAGE.format(drawn.alternative, drawn.source)


def _row(kind: str, cells: Sequence[str], side: str = "right") -> Markup:
    first, *others = cells
    left = Markup('<th style="text-align:left">{}</th>').format(first)
    cell = Markup(f'<{kind} style="text-align:{side}">{{}}</{kind}>')
    row = left + Markup().join(map(cell.format, others))
    return Markup("<tr>{}</tr>").format(row)
