"""One table, as a terminal, Markdown and LaTeX show it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from operator import attrgetter


@dataclass(frozen=True)
class Line:
    """One group under one setting, as a table shows it; a missing figure is an empty cell."""

    heading: str
    name: str
    cells: tuple[str, ...]


@dataclass(frozen=True)
class Table:
    """One setting against the baseline, one setting's accuracy, or the ranking of a sweep.

    Args:
        title: what it shows.
        columns: headings of the cells.
        lines: the rows.
        corner: heading of the rows: of a sweep, the part of the items that is counted.
        note: what it means, in a sentence below it; empty if it needs none.
    """

    title: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    corner: str = ""
    note: str = ""


def table_text(table: Table) -> str:
    """Return one table for a terminal; line ends in names become spaces, so that rows stay rows."""
    table = replace(
        table,
        title=one_line(table.title),
        columns=tuple(map(one_line, table.columns)),
        lines=tuple(
            replace(line, heading=one_line(line.heading), name=one_line(line.name))
            for line in table.lines
        ),
    )
    cells = [table.columns, *(line.cells for line in table.lines)]
    widths = [max(map(len, column)) for column in zip(*cells, strict=True)]
    first = max(map(len, [table.corner, *(line.name for line in table.lines)]))

    def written(name: str, row: Sequence[str]) -> str:
        columns = (f"{cell:>{width}}" for cell, width in zip(row, widths, strict=True))
        return "  ".join([f"{name:<{first}}", *columns]).rstrip()

    header = written(table.corner, table.columns)
    lines = [header]
    for heading, group in groupby(table.lines, attrgetter("heading")):
        lines.append(f"{heading + ' ' if heading else ''}".ljust(len(header), "-"))
        lines += [written(line.name, line.cells) for line in group]
    return "\n".join([table.title, "", *lines, *(["", table.note] if table.note else [])])


def table_markdown(table: Table) -> str:
    """Return one table in Markdown."""
    rows = [
        f"| {' | '.join(escaped_markdown(cell) for cell in [table.corner, *table.columns])} |",
        f"| --- |{' ---: |' * len(table.columns)}",
    ]
    for line in table.lines:
        bold = "**" if line.name == "all" else ""
        cells = [f"{bold}{escaped_markdown(line.name)}{bold}", *map(escaped_markdown, line.cells)]
        rows.append(f"| {' | '.join(cells)} |")
    note = [escaped_markdown(table.note)] if table.note else []
    return "\n\n".join([escaped_markdown(table.title), "\n".join(rows), *note])


def table_latex(table: Table) -> str:
    """Return one table in LaTeX (booktabs), with its title and note as comments."""
    rows = [
        f"% {one_line(table.title)}",
        *([f"% {one_line(table.note)}"] if table.note else []),
        rf"\begin{{tabular}}{{l{'r' * len(table.columns)}}}",
        r"\toprule",
        rf"{' & '.join(map(_latex, [table.corner, *table.columns]))} \\",
    ]
    for _, group in groupby(table.lines, attrgetter("heading")):
        rows.append(r"\midrule")
        for line in group:
            rows.append(rf"{' & '.join(map(_latex, [line.name, *line.cells]))} \\")
    return "\n".join([*rows, r"\bottomrule", r"\end{tabular}"])


def escaped_markdown(text: str) -> str:
    """Return text that Markdown shows as it is, on one line."""
    escaped = (
        text.replace("\\", "\\\\").replace("|", "\\|").replace("<", "&lt;").replace("*", "\\*")
    )
    return " ".join(escaped.split())


_LATEX = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"$<$",
    ">": r"$>$",
    **{letter: f"\\{letter}" for letter in "&%$#_{}"},
}


def _latex(text: str) -> str:
    return "".join(_LATEX.get(letter, letter) for letter in one_line(text))


def one_line(text: str) -> str:
    """Return text without line ends."""
    return " ".join(text.splitlines())
