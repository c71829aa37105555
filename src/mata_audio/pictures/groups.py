"""Pictures of a run by group: accuracy with its interval, and answers gained and lost."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mata_audio.errors import DataError
from mata_audio.evaluation.results.number_format import typeset
from mata_audio.evaluation.results.results import Accuracy, Results, Row
from mata_audio.pictures import style
from mata_audio.pictures.labels import label
from mata_audio.settings.colours import BASELINE_COLOUR, Places, look, places_of
from mata_audio.settings.named import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

_LINE = 0.17  # inches of height
_ROOM = 1.2


@dataclass(frozen=True)
class _Line:
    """A line of the picture: a group, or the heading over groups."""

    y: float
    text: str
    row: Row | None


def accuracy(
    results: Results, settings: Sequence[str] | None = None, places: Places | None = None
) -> Figure:
    """Draw the accuracy of the baseline and of each setting by group, with Wilson intervals.

    Args:
        results: a run's results.
        settings: names of the settings to show with the baseline; None for all.
        places: the settings' places in the run, which give them their colours; None if ``results``
            has all settings of the run.

    Raises:
        DataError: no item was scored, or there is no such setting.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    names = [BASELINE, *_compared(results, settings)]
    placed = _places_in_run(results, places)
    looks = [_look(placed[name]) for name in names]
    rows = _rows(results, names)
    tall = max(1.0, len(names) * 0.72)
    lines = _lines(rows, tall)
    with style.drawing():
        figure = style.new_figure(_ROOM + 0.17 * len(names) + _LINE * _height(lines, tall))
        axes: Axes = figure.subplots()
        for index, name in enumerate(names):
            offset = (index - (len(names) - 1) / 2) * 0.72
            for line in lines:
                figures = None if line.row is None else line.row.accuracy.get(name)
                if figures is not None and _known(figures):
                    ends = (figures.low, figures.value, figures.high)
                    style.interval(axes, line.y + offset, *ends, looks[index])
        _group_axis(axes, lines, tall, [_items(line.row, names) for line in lines])
        axes.set_xlabel("accuracy (%), 95 % interval")
        _percent_limits(axes)
        axes.grid(axis="x")
        style.title(figure, f"Accuracy by group{_part(results)}")
        handles = map(_handle, looks)
        entries = [(own, label(name, 46, 1)) for own, name in zip(handles, names, strict=True)]
        note = _caution(results, names)
        style.legend_below(figure, entries, style.columns([text for _, text in entries]), note)
    return figure


def gained_and_lost(
    results: Results, settings: Sequence[str] | None = None, places: Places | None = None
) -> Figure:
    """Draw how many answers each setting gained and lost against the baseline, by group.

    Args:
        results: a run's results.
        settings: names of the settings to show; None for all.
        places: as for :func:`accuracy`.

    Raises:
        DataError: no item was scored, the run has only the baseline, or there is no such setting.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    names = [n for n in _compared(results, settings) if n in results.overall.paired]
    if not names:
        raise DataError("the run has only the baseline: nothing was gained or lost")
    placed = _places_in_run(results, places)
    rows = [row for row in _rows(results, names) if row.paired]
    tall = 1.15 if all("\n" not in label(row.name, 22) for row in rows) else 1.7
    lines = _lines(rows, tall)
    with style.drawing():
        each = _LINE * _height(lines, tall) + 0.25
        figure = style.new_figure(_ROOM - 0.25 + each * len(names))
        panels = figure.subplots(len(names), 1, sharex=True, squeeze=False)[:, 0]
        most = max(
            (count for row in rows for n in names if n in row.paired
             for count in (row.paired[n].gained, row.paired[n].lost)),
            default=0,
        )  # fmt: skip
        for axes, name in zip(panels, names, strict=True):
            colour = style.colour_of(placed[name])
            for line in lines:
                paired = None if line.row is None else line.row.paired.get(name)
                if paired is not None:
                    _bar(axes, line.y, paired.gained, 1, colour)
                    _bar(axes, line.y, paired.lost, -1, BASELINE_COLOUR)
            axes.axvline(0, color=style.QUIET, linewidth=0.9)
            counts = [_paired_items(line.row, name) for line in lines]
            _group_axis(axes, lines, tall, counts)
            axes.set_xlim(-1.25 * max(most, 1), 1.25 * max(most, 1))
            axes.set_title(label(name, 30, 2), fontweight="normal", color=colour)
        _count_axis(panels[-1])
        title = f"Answers gained and lost by group{_part(results)}"
        style.title(figure, title, _caution(results, names))
    return figure


def _part(results: Results) -> str:
    return ", held-out items" if results.tuning_ids else ""


def _caution(results: Results, names: Sequence[str]) -> str:
    chosen = [s.name for s in results.settings if s.name in names and s.tuned_on_these_items]
    return (
        ""
        if not chosen
        else (
            "Some of these items were used to choose a setting shown here,\n"
            "so its figures may be too good."
        )
    )


def _compared(results: Results, settings: Sequence[str] | None) -> list[str]:
    known = [setting.name for setting in results.settings if setting.name != BASELINE]
    if settings is None:
        return known
    for name in settings:
        if name not in known:
            raise DataError(f"the run has no setting {name!r}; it has: {', '.join(known)}")
    return list(settings)


def _known(figures: Accuracy) -> bool:
    return figures.n > 0 and math.isfinite(figures.value)


def _rows(results: Results, names: Sequence[str]) -> list[Row]:
    rows = [
        row
        for row in (results.overall, *results.groups)
        if any(name in row.accuracy and _known(row.accuracy[name]) for name in names)
    ]
    if not rows:
        raise DataError("no item of this run was scored: there is nothing to draw")
    return rows


def _lines(rows: Sequence[Row], tall: float) -> list[_Line]:
    """Return where each line is, counted downwards from 0; a heading stands over its groups."""
    lines: list[_Line] = []
    y, heading = 0.0, ""
    for row in rows:
        if row.heading != heading:
            heading = row.heading
            y += 0.55 - tall / 2
            lines.append(_Line(y, label(heading, 26, 1), None))
            y += 0.5 + tall / 2
        lines.append(_Line(y, row.name, row))
        y += tall + 0.35
    return lines


def _height(lines: Sequence[_Line], tall: float) -> float:
    return lines[-1].y + tall


def _items(row: Row | None, names: Sequence[str]) -> str:
    """Return how many answers a row's accuracies are over; a range if settings differ."""
    known = [] if row is None else [row.accuracy[name].n for name in names if name in row.accuracy]
    least, most = min(known, default=0), max(known, default=0)
    return f"{most:,}" if least == most else f"{least:,} to {most:,}"


def _paired_items(row: Row | None, name: str) -> str:
    paired = None if row is None else row.paired.get(name)
    return "0" if paired is None else f"{paired.n:,}"


def _group_axis(axes: Axes, lines: Sequence[_Line], tall: float, counts: Sequence[str]) -> None:
    texts = [_text(line, n) for line, n in zip(lines, counts, strict=True)]
    axes.set_yticks([line.y for line in lines], texts)
    axes.set_ylim(lines[-1].y + tall / 2 + 0.25, -tall / 2 - 0.25)
    for line, tick in zip(lines, axes.get_yticklabels(), strict=True):
        if line.row is None:
            tick.set(color=style.QUIET, fontsize=style.SMALL)
        elif line.row.grouping == "":
            tick.set_fontweight("bold")
    style.no_ticks(axes)
    axes.spines["left"].set_visible(False)


def _text(line: _Line, n: str) -> str:
    if line.row is None:
        return line.text
    return f"{label(line.text, 22)}  n={n}"


def _places_in_run(results: Results, places: Places | None) -> Places:
    return places_of((setting.name for setting in results.settings), places)


def _look(place: int) -> dict[str, Any]:
    """Return the report's marker of the setting at ``place`` in its run."""
    return style.marker(style.shape_of(place), style.colour_of(place), look(place).hollow, 1.3)


def _handle(drawn: dict[str, Any]) -> Any:
    from matplotlib.lines import Line2D

    return Line2D([], [], **drawn)


def _percent_limits(axes: Axes) -> None:
    low, high = axes.get_xlim()
    axes.set_xlim(max(-2.0, low), min(102.0, high))


def _bar(axes: Axes, y: float, count: int, side: int, colour: str) -> None:
    if count:
        axes.barh(
            y, side * count, height=1.0, linewidth=0.9, edgecolor=colour,
            facecolor=colour if side > 0 else "#f3d9c0", hatch=None if side > 0 else "////",
        )  # fmt: skip
    axes.annotate(
        typeset(f"{side * count:+,}") if count else "0",
        (side * count, y), (4 * side, 0), textcoords="offset points", va="center",
        ha="left" if side > 0 else "right", color=colour, fontsize=8.5,
    )  # fmt: skip


def _count_axis(axes: Axes) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    axes.xaxis.set_major_locator(MaxNLocator(5, integer=True))
    axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: f"{abs(value):,.0f}"))
    axes.set_xlabel("items lost (left) and gained (right)")
