"""The plots of a report: accuracy with its interval, and items gained and lost, group by group.

Every row is a drawing of its own with horizontal positions in percent, so that the page's layout
can stretch it and no text is ever scaled.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from mata_audio.evaluation.report.markers import marker
from mata_audio.evaluation.results.number_format import percent as bare_percent
from mata_audio.evaluation.results.number_format import points
from mata_audio.evaluation.results.results import Accuracy, Paired, Row

LINE = 18
"""Height of one setting's line, in pixels; the style sheet's ``--line``."""

_PADDING = 7
_LONGEST_BAR = 36  # percent of the width; what is left on each side holds the bar's number


@dataclass(frozen=True)
class PlotRow:
    """One group: a line for each setting in each column, the baseline's first."""

    heading: str
    name: str
    n: int
    accuracy: Markup
    values: tuple[str, ...]
    changes: Markup
    differences: tuple[str, ...]


@dataclass(frozen=True)
class Plot:
    """All rows, and the axis under their accuracies."""

    rows: tuple[PlotRow, ...]
    axis: Markup


@dataclass(frozen=True)
class _Axis:
    """The part of 0 to 100 % that is shown."""

    low: int
    high: int
    step: int

    def place(self, fraction: float) -> str:
        """Return where ``fraction`` lies, in percent of the width."""
        return f"{100 * (100 * fraction - self.low) / (self.high - self.low):.2f}%"

    @property
    def ticks(self) -> range:
        return range(self.low, self.high + 1, self.step)


def plot(rows: Sequence[Row], settings: Sequence[str]) -> Plot | None:
    """Return the plot of ``rows``, or None where none of them has a scored item.

    Args:
        rows: all items first, then the groups.
        settings: names in the order of the lines, the baseline first.
    """
    shown = [row for row in rows if any(map(_is_known, row.accuracy.values()))]
    if not shown:
        return None
    axis = _axis([figure for row in shown for figure in row.accuracy.values()])
    most = max(
        (count for row in shown for p in row.paired.values() for count in (p.gained, p.lost)),
        default=0,
    )
    drawn = []
    for position, row in enumerate(shown):
        starts = position == 0 or row.heading != shown[position - 1].heading
        drawn.append(_row(row, settings, axis, most, row.heading if starts else ""))
    return Plot(tuple(drawn), _axis_labels(axis))


def _is_known(figure: Accuracy) -> bool:
    return figure.n > 0 and math.isfinite(figure.value)


def _axis(figures: Sequence[Accuracy]) -> _Axis:
    """Tens around all intervals, at least 20 percentage points."""
    known = [figure for figure in figures if _is_known(figure)]
    low = max(0, math.floor(min(10 * figure.low for figure in known)) * 10)
    high = min(100, math.ceil(max(10 * figure.high for figure in known)) * 10)
    if high - low < 20:
        low, high = (low, low + 20) if low <= 80 else (80, 100)
    step = 10 if high - low <= 50 else 20
    return _Axis(low - low % step, high + -high % step, step)


def _row(row: Row, settings: Sequence[str], axis: _Axis, most: int, heading: str) -> PlotRow:
    accuracies = [row.accuracy.get(name) for name in settings]
    changes = [row.paired.get(name) for name in settings]
    return PlotRow(
        heading=heading,
        name=row.name,
        n=max((figure.n for figure in row.accuracy.values()), default=0),
        accuracy=_accuracies(accuracies, axis),
        values=tuple(bare_percent(figure.value) if figure else "" for figure in accuracies),
        changes=_changes(changes, most),
        differences=tuple(points(paired.difference) if paired else "" for paired in changes),
    )


def _drawing(lines: int, parts: Sequence[Markup]) -> Markup:
    return Markup('<svg class="plot" width="100%" height="{}" aria-hidden="true">{}</svg>').format(
        lines * LINE + 2 * _PADDING, Markup("").join(parts)
    )


def _middle(line: int) -> int:
    return _PADDING + line * LINE + LINE // 2


def _accuracies(figures: Sequence[Accuracy | None], axis: _Axis) -> Markup:
    parts = [
        Markup('<line class="grid" x1="{0}" x2="{0}" y1="0" y2="100%"/>').format(
            axis.place(tick / 100)
        )
        for tick in axis.ticks
    ]
    for index, figure in enumerate(figures):
        if figure is None or not _is_known(figure):
            continue
        shape, y = marker(index), _middle(index)
        parts.append(
            Markup('<line class="interval {0}" x1="{1}" x2="{2}" y1="{3}" y2="{3}"/>').format(
                shape.style, axis.place(figure.low), axis.place(figure.high), y
            )
        )
        # A nested drawing is the one way to put a path at a position in percent.
        parts.append(
            Markup('<svg x="{}" y="{}"><path class="{}" d="{}"/></svg>').format(
                axis.place(figure.value), y, shape.style, shape.path
            )
        )
    return _drawing(len(figures), parts)


def _changes(changes: Sequence[Paired | None], most: int) -> Markup:
    parts = [Markup('<line class="zero" x1="50%" x2="50%" y1="0" y2="100%"/>')]
    for index, paired in enumerate(changes):
        if paired is None or paired.n == 0:
            continue
        top = _middle(index) - 5
        for count, style, side in ((paired.lost, "lost", -1), (paired.gained, "gained", 1)):
            length = _LONGEST_BAR * count / most if most else 0.0
            parts.append(
                Markup('<rect class="{}" x="{:.2f}%" y="{}" width="{:.2f}%" height="10"/>').format(
                    style, 50 - length if side < 0 else 50, top, length
                )
            )
            parts.append(
                Markup('<text class="{}" x="{:.2f}%" y="{}" dx="{}">{:,}</text>').format(
                    style, 50 + side * length, top + 9, 5 * side, count
                )
            )
    return _drawing(len(changes), parts)


def _axis_labels(axis: _Axis) -> Markup:
    labels = [
        Markup('<text x="{}" y="14">{}</text>').format(axis.place(tick / 100), tick)
        for tick in axis.ticks
    ]
    return Markup(
        '<svg class="plot axis" width="100%" height="20" aria-hidden="true">{}</svg>'
    ).format(Markup("").join(labels))
