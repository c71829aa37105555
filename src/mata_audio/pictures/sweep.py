"""Pictures of a sweep: layers against alpha, and the ranking with the winner held out."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mata_audio.errors import SettingsError
from mata_audio.evaluation.results.number_format import counted, equals_p, points, typeset
from mata_audio.evaluation.results.results import Paired
from mata_audio.evaluation.results.significance import SIGNIFICANT
from mata_audio.pictures import style
from mata_audio.pictures.grid import Panel, panels
from mata_audio.pictures.labels import label
from mata_audio.settings.colours import BASELINE_COLOUR, INK, PAPER, places_of

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mata_audio.evaluation.results.ranking import Sweep

_PALE = 0.45
"""Share of its colour that a cell keeps if the change is not significant."""


@dataclass(frozen=True)
class _Line:
    """A line of the ranking: a setting's difference on the tuning part or held out."""

    text: str
    paired: Paired
    colour: str
    held_out: bool
    won: bool


def heatmap(sweep: Sweep) -> Figure:
    """Draw the difference to the baseline on the tuning part, layers against alpha.

    Args:
        sweep: the sweep. Cells whose Holm-adjusted p is 0.05 or more are pale and italic;
            the winner is framed.

    Raises:
        SettingsError: the sweep has no setting with results.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    drawn = panels(sweep)
    widest = max(len(panel.alphas) for panel in drawn)
    with style.drawing():
        from matplotlib.colors import Normalize

        shown = {name for panel in drawn for name in panel.cells.values()}
        largest = max(abs(100 * sweep.tuning.paired[name].difference) for name in shown)
        norm = Normalize(-max(largest, 1.0), max(largest, 1.0))
        rows = [len(panel.rows) for panel in drawn]
        height = 1.75 + 0.3 * sum(rows) + 0.3 * len(rows)
        figure = style.new_figure(height, max(style.WIDTH, 1.6 + 0.48 * widest))
        axes = figure.subplots(
            len(drawn), 1, squeeze=False, sharex=False, gridspec_kw={"height_ratios": rows}
        )[:, 0]
        for own, panel in zip(axes, drawn, strict=True):
            _draw_panel(own, panel, sweep, norm)
            own.set_title(panel.title, fontweight="normal")
        axes[-1].set_xlabel("alpha (strength, no unit)")
        _colour_bar(figure, axes, norm)
        title = f"Sweep on the tuning part ({_tuning_items(sweep)})"
        style.title(figure, title, _note(sweep, shown))
    return figure


def ranking(sweep: Sweep) -> Figure:
    """Draw each setting's difference to the baseline with its 95 % interval, the best on top.

    A band marks the winner and, below it, its difference on the held-out items. Colours are those
    of the settings' places in the run.

    Args:
        sweep: the sweep.

    Raises:
        SettingsError: the sweep has no setting with results.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    if not sweep.ranking:
        raise SettingsError("the sweep has no setting with an answer: there is nothing to draw")
    places = places_of(setting.name for setting in sweep.results.settings)
    lines: list[_Line] = []
    for name in sweep.ranking:
        colour = style.colour_of(places[name])
        lines.append(_Line(name, sweep.tuning.paired[name], colour, False, name == sweep.winner))
        if name == sweep.winner and name in sweep.held_out.paired:
            rest = sweep.held_out.paired[name]
            lines.append(_Line(f"… held out, n={rest.n:,}", rest, colour, True, True))
    with style.drawing():
        texts = [label(line.text, 30) for line in lines]
        figure = style.new_figure(1.55 + (0.33 if "\n" in "".join(texts) else 0.26) * len(lines))
        axes: Axes = figure.subplots()
        for y, line in enumerate(lines):
            ends = (line.paired.low, line.paired.difference, line.paired.high)
            style.interval(axes, y, *ends, _look(line))
        axes.axvline(0, color=BASELINE_COLOUR, linewidth=1.3, linestyle=(0, (4, 2)))
        won = [y for y, line in enumerate(lines) if line.won]
        if won:
            axes.axhspan(won[0] - 0.5, won[-1] + 0.5, color=style.MARK, zorder=0)
        axes.set_ylim(len(lines) - 0.4, -0.6)
        axes.set_yticks(range(len(lines)), texts, fontsize=8)
        for y, tick in enumerate(axes.get_yticklabels()):
            tick.set_fontweight("bold" if y in won else "normal")
        style.no_ticks(axes)
        axes.spines["left"].set_visible(False)
        axes.grid(axis="x")
        axes.set_xlabel("difference to the baseline (points)")
        _values_beside(axes, [line.paired for line in lines], won)
        style.title(figure, f"Settings ranked on the tuning part ({_tuning_items(sweep)})")
        style.legend_below(figure, _ranking_legend(lines), 2)
    return figure


def _points(paired: Paired) -> str:
    return typeset(points(paired.difference))


def _tuning_items(sweep: Sweep) -> str:
    """Return how many items the differences are over; a range if settings differ."""
    counts = [paired.n for paired in sweep.tuning.paired.values()]
    least, most = min(counts), max(counts)
    return typeset(("" if least == most else f"{least:,} to ") + counted(most, "item"))


def _draw_panel(axes: Axes, panel: Panel, sweep: Sweep, norm: Any) -> None:
    from matplotlib.patches import Rectangle

    colours = style.legible()
    for (row, column), name in panel.cells.items():
        paired = sweep.tuning.paired[name]
        muted = not paired.p_holm < SIGNIFICANT
        red, green, blue, _ = colours(norm(100 * paired.difference))
        colour = (red, green, blue)
        if muted:
            colour = (_pale(red), _pale(green), _pale(blue))
        axes.add_patch(
            Rectangle((column - 0.5, row - 0.5), 1, 1, facecolor=colour, edgecolor=PAPER)
        )
        axes.text(
            column, row, _points(paired), ha="center", va="center", color="black",
            fontstyle="italic" if muted else "normal", fontweight="normal" if muted else "bold",
        )  # fmt: skip
        if name == sweep.winner:
            frame = Rectangle(
                (column - 0.46, row - 0.44), 0.92, 0.88, fill=False, edgecolor=INK,
                linewidth=2, zorder=3, gid="winner",
            )  # fmt: skip
            axes.add_patch(frame)
    axes.set_facecolor(style.SOFT)
    axes.set_xlim(-0.5, len(panel.alphas) - 0.5)
    axes.set_ylim(len(panel.rows) - 0.5, -0.5)
    axes.set_xticks(range(len(panel.alphas)), [f"{alpha:g}" for alpha in panel.alphas])
    axes.set_yticks(range(len(panel.rows)), [label(text, 22) for text in panel.labels])
    axes.set_ylabel("layers (from 0)")
    style.no_ticks(axes)
    for spine in axes.spines.values():
        spine.set_visible(False)


def _pale(part: float) -> float:
    return 1 - _PALE * (1 - part)


def _colour_bar(figure: Figure, axes: Any, norm: Any) -> None:
    from matplotlib.cm import ScalarMappable

    bar = figure.colorbar(
        ScalarMappable(norm, style.legible()), ax=list(axes), location="bottom",
        label="difference to the baseline (points)", aspect=32, pad=0.03, fraction=0.06,
    )  # fmt: skip
    bar.outline.set_visible(False)
    bar.ax.tick_params(length=2)


def _note(sweep: Sweep, shown: Collection[str]) -> str:
    muted = "pale, italic: not significant (Holm-adjusted p ≥ 0.05)"
    if sweep.winner is None:
        return f"no winner: no setting gained more than it lost\n{muted}"
    rest = sweep.held_out.paired.get(sweep.winner)
    framed = "framed: winner" if sweep.winner in shown else "the winner is not in this grid"
    if rest is not None:
        p = typeset(equals_p(rest.p))
        framed += f", {_points(rest)} points held out ({rest.n:,} items, p {p})"
    return f"{framed}\n{muted}"


def _look(line: _Line) -> dict[str, Any]:
    """Return a square, or a diamond if held out; filled if the change is significant."""
    p = line.paired.p if line.held_out else line.paired.p_holm
    return style.marker("D" if line.held_out else "s", line.colour, not p < SIGNIFICANT, 1.4)


def _values_beside(axes: Axes, figures: Sequence[Paired], won: Sequence[int]) -> None:
    beside = axes.secondary_yaxis("right")
    beside.set_yticks(range(len(figures)), [_points(paired) for paired in figures])
    beside.tick_params(length=0)
    beside.spines["right"].set_visible(False)
    for y, tick in enumerate(beside.get_yticklabels()):
        tick.set_fontweight("bold" if y in won else "normal")


def _ranking_legend(lines: Sequence[_Line]) -> list[tuple[Any, str]]:
    from matplotlib.lines import Line2D

    tuning = style.marker("s", style.QUIET, True, 1.4)
    entries = [(Line2D([], [], **tuning), "tuning part, 95 % interval")]
    if any(line.held_out for line in lines):
        held_out = style.marker("D", style.QUIET, True, 1.4)
        entries.append((Line2D([], [], **held_out), "winner, held-out items"))
    entries.append((Line2D([], [], color=BASELINE_COLOUR, linestyle="--"), "baseline"))
    filled = Line2D([], [], linestyle="none", marker="s", color=style.QUIET, markersize=5.5)
    entries.append((filled, "filled: p < 0.05 (Holm)"))
    return entries
