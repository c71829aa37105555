"""A sweep as a table: the ranking on the tuning part, the winner on the rest."""

from __future__ import annotations

from mata_audio.evaluation.results.number_format import p_value, percent, points
from mata_audio.evaluation.results.results import Row
from mata_audio.evaluation.results.tables import (
    Line,
    Table,
    paired_cells,
    table_markdown,
    table_text,
)
from mata_audio.evaluation.sweep.sweep import Sweep
from mata_audio.settings.named import BASELINE

SIGNIFICANT = 0.05

_COLUMNS = ("accuracy", "difference", "95 % interval", "gained", "lost", "p", "p (Holm)")


def as_text(sweep: Sweep) -> str:
    """Return the ranking and the winner for a terminal, in percent."""
    return "\n\n".join([*map(table_text, _tables(sweep)), _verdict(sweep)])


def as_markdown(sweep: Sweep) -> str:
    """Return the same in Markdown."""
    return "\n\n".join([*map(table_markdown, _tables(sweep)), _verdict(sweep)]) + "\n"


def _tables(sweep: Sweep) -> list[Table]:
    tuning = sweep.tuning.accuracy[BASELINE].n
    lines = [_line(sweep.tuning, name, True) for name in (BASELINE, *sweep.ranking)]
    found = [Table(f"Ranked on the tuning part ({tuning:,} items)", _COLUMNS, tuple(lines))]
    if sweep.winner is not None:
        rest = sweep.held_out.accuracy[BASELINE].n
        title = f"The winner on the rest ({rest:,} items, none of them used to choose)"
        lines = [_line(sweep.held_out, name, False) for name in (BASELINE, sweep.winner)]
        found.append(Table(title, _COLUMNS[:-1], tuple(lines)))
    return found


def _line(row: Row, name: str, adjusted: bool) -> Line:
    accuracy, paired = percent(row.accuracy[name].value), row.paired.get(name)
    if paired is None:
        return Line("", name, (accuracy, *[""] * (6 if adjusted else 5)))
    return Line("", name, (accuracy, *paired_cells(paired, adjusted)))


def _verdict(sweep: Sweep) -> str:
    """Return the outcome as a sentence."""
    if sweep.winner is None:
        return "No setting gained more answers than it lost on the tuning part: none is chosen."
    paired = sweep.held_out.paired[sweep.winner]
    change = (
        f"{sweep.winner} changes accuracy by {points(paired.difference)} points on the rest "
        f"(p {p_value(paired.p)})"
    )
    if paired.p < SIGNIFICANT:
        return f"{change}{'.' if paired.difference > 0 else ': it does harm there.'}"
    return (
        f"{change}. That is not significant: with this many items, "
        f"{percent(paired.smallest_difference)} points is the smallest difference that would "
        "have shown."
    )
