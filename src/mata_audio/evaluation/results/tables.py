"""Results as tables: for a terminal, Markdown, LaTeX and CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import product

from mata_audio.evaluation.results.cells import accuracy_cells, against_baseline
from mata_audio.evaluation.results.csv_text import csv_text
from mata_audio.evaluation.results.ranking import HELD_OUT, TUNING, Sweep, sweep_of
from mata_audio.evaluation.results.results import UNHEARD, Results, Row, SettingResult
from mata_audio.evaluation.results.table import (
    Line,
    Table,
    escaped_markdown,
    table_latex,
    table_markdown,
    table_text,
)
from mata_audio.evaluation.results.unheard_table import unheard_table
from mata_audio.evaluation.results.verdict import verdict
from mata_audio.settings.named import BASELINE


def tables(results: Results) -> list[Table]:
    """Return a table for each setting, or for the baseline if the run has no other.

    Of a sweep, return the winner's on the held-out items, then the ranking on the tuning items. A
    run with the no-audio arm has a table by what needs no audio.
    """
    sweep = sweep_of(results)
    if sweep is None:
        return _tables(results)
    held_out = [
        replace(table, title=f"Held-out items: {table.title}", corner=HELD_OUT)
        for table in _tables(sweep.reported)
    ]
    return [*held_out, _ranking(sweep)]


def _ranking(sweep: Sweep) -> Table:
    """Return the figures that the winner was chosen by."""
    columns = ("n", BASELINE, "setting", "difference", "95 % interval", "gained", "lost", "p")
    lines = [
        Line("", name, against_baseline(sweep.tuning.paired[name], adjusted=True))
        for name in sweep.ranking
    ]
    title = "Tuning items: the ranking to choose by, which flatters the best setting"
    return Table(title, (*columns, "p (Holm)"), tuple(lines), TUNING)


def opening(results: Results) -> list[str]:
    """Return what comes before the tables: of a sweep, what it found; else nothing."""
    sweep = sweep_of(results)
    return [] if sweep is None else [verdict(sweep)]


def _tables(results: Results) -> list[Table]:
    """Return the tables of all settings.

    A setting whose answers do not count for the same items as the baseline's has two tables: its
    accuracy over its own answers, and the comparison over the items that count under both.
    """
    baseline, *settings = results.settings
    uneven = [s for s in settings if not all(row.even(s.name) for row in _rows(results))]
    shown = [] if settings and not uneven else [_accuracy_table(results, baseline)]
    for setting in settings:
        if setting in uneven:
            shown.append(_accuracy_table(results, setting))
        shown.append(paired_table(results, setting, len(settings) > 1))
    without_audio = unheard_table(results)
    return shown if without_audio is None else [*shown, without_audio]


def _rows(results: Results) -> list[Row]:
    return [*results.groups, results.overall]


def tuned_mark(setting: SettingResult) -> str:
    """Return what is written after a setting that was tuned on the items shown."""
    return " [tuned on these items]" if setting.tuned_on_these_items else ""


def _title(setting: SettingResult) -> str:
    told = "" if setting.name == BASELINE else f" ({setting.description})"
    return f"{setting.name}{told}{tuned_mark(setting)}"


def _accuracy_table(results: Results, setting: SettingResult) -> Table:
    """Return the accuracy of one setting over its own answers."""
    columns: tuple[str, ...] = ("n", setting.name, "95 % interval")
    rows, name = _rows(results), setting.name
    left_out = any(row.left_out for row in rows)
    title = _title(setting)
    if left_out:
        columns += ("left out",)
        title += ": accuracy over its own answers that count"
    lines = []
    for row in rows:
        own = row.accuracy.get(name)
        cells: tuple[str, ...] = ("0", "", "")
        if own is not None:
            cells = (f"{own.n:,}", *accuracy_cells(own))
        if left_out:
            cells += (f"{row.left_out.get(name, 0):,}",)
        lines.append(Line(row.heading, row.name, cells))
    return Table(title, columns, tuple(lines))


def paired_table(results: Results, setting: SettingResult, adjusted: bool) -> Table:
    """Return a setting against the baseline, every figure over the items scored under both."""
    rows, name = _rows(results), setting.name
    columns = ["n", BASELINE, name, "difference", "95 % interval", "gained", "lost", "p"]
    columns += ["p (Holm)"] if adjusted else []
    even = all(row.even(name) for row in rows)
    title = _title(setting) + ("" if even else ": over the items that count under both")
    lines = []
    for row in rows:
        paired = row.paired.get(name)
        cells: tuple[str, ...] = ("0", *[""] * (len(columns) - 1))
        if paired is not None:
            cells = against_baseline(paired, adjusted)
        lines.append(Line(row.heading, row.name, cells))
    return Table(title, tuple(columns), tuple(lines))


def as_text(results: Results) -> str:
    """Return the tables for a terminal, accuracies in percent."""
    return "\n\n".join([*opening(results), *map(table_text, tables(results))])


def as_markdown(results: Results) -> str:
    """Return the tables in Markdown, accuracies in percent."""
    parts = [*map(escaped_markdown, opening(results)), *map(table_markdown, tables(results))]
    return "\n\n".join([*parts, *(f"- {escaped_markdown(note)}" for note in results.notes)]) + "\n"


def as_latex(results: Results) -> str:
    """Return the tables in LaTeX (booktabs), accuracies in percent."""
    parts = [f"% {' '.join(line.split())}" for line in opening(results)]
    parts += map(table_latex, tables(results))
    return "\n\n".join(parts) + "\n"


def as_csv(results: Results) -> str:
    """Return every group under every setting, one per line, with unrounded fractions.

    Of a sweep, the first column says which part of the items is counted. A run with the no-audio
    arm has two more groups, by what needs no audio, and at the end the arm's own line.
    """
    sweep = sweep_of(results)
    shown = results if sweep is None else sweep.reported
    arm = shown.unheard
    by_hearing = () if arm is None else arm.parts
    parts: dict[str, Sequence[Row]] = {HELD_OUT: [*shown.groups, *by_hearing, shown.overall]}
    names = {HELD_OUT: shown.settings, TUNING: results.settings}
    if sweep is not None:
        parts[TUNING] = [sweep.tuning]
    lines: list[list[object]] = []
    accuracy = ("n", "correct", "accuracy", "low", "high", "left_out")
    paired = ["paired_n", "paired_baseline", "paired_setting", "difference"]
    paired += ["difference_low", "difference_high", "gained", "lost"]
    tests = ("p", "p_holm", "smallest_difference")
    part_column = [] if sweep is None else ["part"]
    lines.append([*part_column, "grouping", "group", "setting", *accuracy, *paired, *tests])
    for part, rows in parts.items():
        for row, setting in product(rows, names[part]):
            name = setting.name
            own, against = row.accuracy.get(name), row.paired.get(name)
            if own is None and name not in row.left_out:
                continue
            official = [0, 0, "", "", ""] if own is None else [*vars(own).values()]
            figures = [""] * 11 if against is None else [*vars(against).values()]
            where = [*([part] if part_column else []), row.grouping, row.name, name]
            lines.append([*where, *official, row.left_out.get(name, 0), *figures])
    if arm is not None and arm.accuracy is not None:
        where = [*([HELD_OUT] if part_column else []), "", shown.overall.name, UNHEARD]
        lines.append([*where, *vars(arm.accuracy).values(), arm.left_out, *[""] * 11])
    return csv_text(lines)
