"""Results as tables: for a terminal, Markdown, LaTeX and CSV."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import groupby
from operator import attrgetter

from mata_audio.evaluation.results.number_format import p_value, percent, points
from mata_audio.evaluation.results.results import Accuracy, Paired, Results, Row, SettingResult
from mata_audio.settings.named import BASELINE


@dataclass(frozen=True)
class Line:
    """One group under one setting, as a table shows it; a missing figure is an empty cell."""

    heading: str
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One setting against the baseline, or only the baseline."""

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]


def tables(results: Results) -> list[Table]:
    """Return a table for each setting, or for the baseline if the run has no other."""
    settings = [s for s in results.settings if s.name != BASELINE] or list(results.settings)
    adjusted = len(settings) > 1
    return [_table(results, setting, adjusted) for setting in settings]


def _table(results: Results, setting: SettingResult, adjusted: bool) -> Table:
    columns: tuple[str, ...]
    if setting.name == BASELINE:
        title, columns = "baseline", ("n", "baseline", "95 % interval")
    else:
        marked = " [tuned on these items]" if setting.tuned_on_these_items else ""
        title = f"{setting.name} ({setting.description}){marked}"
        columns = ("n", "baseline", setting.name, "difference", "95 % interval", "gained", "lost")
        columns += ("p", "p (Holm)") if adjusted else ("p",)
    rows = [*results.groups, results.overall]
    lines = (Line(r.heading, r.name, _cells(r, setting.name, len(columns), adjusted)) for r in rows)
    return Table(title, columns, tuple(lines))


def _cells(row: Row, setting: str, count: int, adjusted: bool) -> tuple[str, ...]:
    baseline = row.accuracy.get(BASELINE)
    if setting == BASELINE and baseline is not None:
        return (f"{baseline.n:,}", *accuracy_cells(baseline))
    paired = row.paired.get(setting)
    if paired is None or baseline is None:
        return ("0", *[""] * (count - 1))
    accuracies = (percent(baseline.value), percent(row.accuracy[setting].value))
    return (f"{paired.n:,}", *accuracies, *paired_cells(paired, adjusted))


def accuracy_cells(accuracy: Accuracy) -> tuple[str, str]:
    """Return an accuracy and its interval, in percent."""
    return percent(accuracy.value), f"{percent(accuracy.low)} to {percent(accuracy.high)}"


def paired_cells(paired: Paired, adjusted: bool = False) -> tuple[str, ...]:
    """Return difference, its interval, gained, lost and p; and Holm's p if ``adjusted``."""
    cells = (
        points(paired.difference),
        f"{points(paired.low)} to {points(paired.high)}",
        f"{paired.gained:,}",
        f"{paired.lost:,}",
        p_value(paired.p),
    )
    return (*cells, p_value(paired.p_holm)) if adjusted else cells


def as_text(results: Results) -> str:
    """Return the tables for a terminal, accuracies in percent."""
    return "\n\n".join(table_text(table) for table in tables(results))


def table_text(table: Table) -> str:
    """Return one table for a terminal."""
    cells = [table.columns, *(line.cells for line in table.lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    first = max(len(line.name) for line in table.lines)

    def written(name: str, row: Sequence[str]) -> str:
        columns = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        return "  ".join([f"{name:<{first}}", *columns]).rstrip()

    header = written("", table.columns)
    lines = [header]
    for heading, group in groupby(table.lines, attrgetter("heading")):
        lines.append(f"{heading + ' ' if heading else ''}".ljust(len(header), "-"))
        lines += [written(line.name, line.cells) for line in group]
    return "\n".join([table.title, "", *lines])


def as_markdown(results: Results) -> str:
    """Return the tables in Markdown, accuracies in percent."""
    parts = [table_markdown(table) for table in tables(results)]
    return "\n\n".join([*parts, *(f"- {escaped_markdown(note)}" for note in results.notes)]) + "\n"


def table_markdown(table: Table) -> str:
    """Return one table in Markdown."""
    rows = [
        f"| {' | '.join(escaped_markdown(cell) for cell in ['', *table.columns])} |",
        f"| --- |{' ---: |' * len(table.columns)}",
    ]
    for line in table.lines:
        bold = "**" if line.name == "all" else ""
        cells = [f"{bold}{escaped_markdown(line.name)}{bold}", *map(escaped_markdown, line.cells)]
        rows.append(f"| {' | '.join(cells)} |")
    return f"{escaped_markdown(table.title)}\n\n" + "\n".join(rows)


def escaped_markdown(text: str) -> str:
    escaped = (
        text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    )
    return " ".join(escaped.split())


def as_latex(results: Results) -> str:
    """Return the tables in LaTeX (booktabs), accuracies in percent."""
    parts = []
    for table in tables(results):
        columns = " & ".join(["", *map(_latex, table.columns)])
        rows = [
            rf"% {table.title}".replace("\n", " "),
            rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
            r"\toprule",
            rf"{columns} \\",
        ]
        for _, group in groupby(table.lines, attrgetter("heading")):
            rows.append(r"\midrule")
            for line in group:
                rows.append(rf"{' & '.join(map(_latex, [line.name, *line.cells]))} \\")
        parts.append("\n".join([*rows, r"\bottomrule", r"\end{tabular}"]))
    return "\n\n".join(parts) + "\n"


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in text)


def as_csv(results: Results) -> str:
    """Return every group under every setting, one per line, with unrounded fractions."""
    stream = io.StringIO()
    writer = csv.writer(stream, lineterminator="\n")
    accuracy = ("n", "correct", "accuracy", "low", "high")
    paired = ("paired_n", "difference", "difference_low", "difference_high", "gained", "lost")
    tests = ("p", "p_holm", "smallest_difference")
    writer.writerow(["grouping", "group", "setting", *accuracy, *paired, *tests])
    for row in [*results.groups, results.overall]:
        for name, own in row.accuracy.items():
            against = row.paired.get(name)
            figures = [""] * 9 if against is None else list(vars(against).values())
            writer.writerow([row.grouping, row.name, name, *vars(own).values(), *figures])
    return stream.getvalue()
