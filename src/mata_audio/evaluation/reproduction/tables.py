"""A reproduction of the paper as text and Markdown: published and measured side by side."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator
from dataclasses import dataclass

from mata_audio.evaluation.reproduction.checks import missing_lines, with_figures
from mata_audio.evaluation.reproduction.paper import ARXIV, MATA_NAME, PaperTable
from mata_audio.evaluation.reproduction.reproduce import Measured, Reproduction
from mata_audio.evaluation.results.cells import accuracy_cells, paired_cells
from mata_audio.evaluation.results.number_format import percent, points
from mata_audio.evaluation.results.power import power_sentence
from mata_audio.evaluation.results.results import Accuracy, Row
from mata_audio.evaluation.results.table import (
    Line,
    Table,
    escaped_markdown,
    table_markdown,
    table_text,
)
from mata_audio.evaluation.results.tables import paired_table
from mata_audio.settings.named import BASELINE

NONE = "-"
INTRODUCTION = (
    f"Columns marked paper are figures of the paper (arXiv {ARXIV}), as published; all others were "
    "measured here. Accuracies in percent, differences in points; intervals are 95 % (Wilson for "
    "an accuracy, Tango's for a difference), p is exact McNemar. Prompts and answer "
    "readers differ between papers, by more than MATA's gain: compare the differences first."
)
COLUMNS = (
    "n",
    *("paper baseline", "measured baseline", "95 % interval", "paper MATA", "measured MATA"),
    *("paper diff.", "measured diff.", "95 % interval", "gained", "lost", "p"),
)


@dataclass(frozen=True)
class Compared:
    """One group, or the average: the paper's figures and the measured ones."""

    name: str
    paper_baseline: float | None
    paper_mata: float | None
    measured: Row

    @property
    def paper_difference(self) -> float | None:
        """The paper's gain in points; None where it lacks a figure."""
        if self.paper_baseline is None or self.paper_mata is None:
            return None
        return round(self.paper_mata - self.paper_baseline, 1)


def compared(measured: Measured) -> list[Compared]:
    """Return the benchmark's main groups, then the average over all items."""
    table, results = measured.table, measured.results
    main = results.groups[0].grouping if results.groups else ""
    rows = {row.name: row for row in results.groups if row.grouping == main}
    for name in table.baseline.groups:
        rows.setdefault(name, Row(main, "", name, {}, {}))
    before, after = table.baseline, table.mata
    groups = [
        Compared(name, before.groups.get(name), after.groups.get(name), row)
        for name, row in rows.items()
    ]
    return [*groups, Compared("average", before.average, after.average, results.overall)]


def as_text(reproduction: Reproduction) -> str:
    """Return everything for a terminal."""
    parts = [textwrap.fill(INTRODUCTION, 100)]
    for measured in reproduction.measured:
        parts += [table_text(table) for table in _tables(measured)]
        parts.append("\n".join(notes(measured)))
    rest = not_measured(reproduction)
    return "\n\n".join([*parts, *(["\n".join(["not measured", *rest])] if rest else [])])


def as_markdown(reproduction: Reproduction) -> str:
    """Return everything in Markdown."""
    parts = ["# The paper's tables, published and measured", INTRODUCTION]
    for measured in reproduction.measured:
        for table in _tables(measured):
            parts.append(f"## {table_markdown(table)}")
        parts.append("\n".join(f"- {escaped_markdown(note)}" for note in notes(measured)))
    rest = not_measured(reproduction)
    if rest:
        parts += ["## Not measured", "\n".join(f"- {escaped_markdown(line)}" for line in rest)]
    return "\n\n".join(parts) + "\n"


def notes(measured: Measured) -> list[str]:
    """Return what a reader of one measured table must know, one fact per line."""
    table, results = measured.table, measured.results
    identity, facts = results.run["identity"], results.run["facts"]
    described = {setting.name: setting.description for setting in results.settings}
    given = "" if identity["model"] == table.model.hub else f" (given for {table.model.hub})"
    lines = [
        f"model {identity['model']}{given}, {identity['dtype']}, {identity['attention']}",
        *(f"{name}: {text}" for name, text in described.items() if name != BASELINE),
        *(
            f"{name}: on this model the same setting as {same}, so it was run, and counts in the "
            "p values, once"
            for name, same in measured.equal.items()
        ),
        f"prompt {identity['template']['name']}, answers read by {facts['reader']}, greedy, at "
        f"most {identity['max_new_tokens']} new tokens; the paper's may differ",
        _data_note(table, facts["data_version"], identity["data"]),
    ]
    paired = results.overall.paired.get(MATA_NAME)
    if paired is not None:
        lines.append(power_sentence(paired))
    mata = {s.name: s for s in results.settings}.get(MATA_NAME)
    if mata is not None and mata.negative_share is not None:
        lines.append(f"share of the audio scores below zero: {percent(mata.negative_share)} %")
    if mata is not None and mata.mass_before is not None and mata.mass_after is not None:
        lines.append(
            f"share of attention on audio: {percent(mata.mass_before)} % before, "
            f"{percent(mata.mass_after)} % after"
        )
    if table.reference:
        lines.append(f"the paper compares it with {table.reference}")
    if measured.submissions:
        files = ", ".join(f"{name}: {path}" for name, path in measured.submissions.items())
        lines.append(
            f"the answers of this split are hidden, so there is no measured accuracy; to submit to "
            f"the benchmark's leaderboard: {files}"
        )
    return [*lines, *results.notes, f"run folder {measured.folder}"]


def not_measured(reproduction: Reproduction) -> list[str]:
    """Return what is missing, why and how to get it; then what failed. One fact per line."""
    return missing_lines(reproduction.missing) + [
        f"failed {with_figures(failed.table)}: {failed.reason}" for failed in reproduction.failed
    ]


def _data_note(table: PaperTable, version: str | None, files: dict[str, str]) -> str:
    if version is None:
        digests = ", ".join(f"{name} sha256 {digest[:12]}" for name, digest in files.items())
        known = f"data: an unknown release ({digests})"
        return f"{known}; the paper's is {table.release}" if table.release else known
    if table.release is None or version.startswith(table.release):
        return f"data: {version}"
    return (
        f"data: {version}, NOT the paper's {table.release}: its figures are for other questions "
        "and answers"
    )


def _tables(measured: Measured) -> Iterator[Table]:
    rows = compared(measured)
    lines = tuple(Line("", row.name, _cells(row)) for row in rows)
    yield Table(measured.table.title, COLUMNS, lines)
    if any(ablation.name in _shown(measured) for ablation in measured.table.ablations):
        yield _ablation_table(measured)
    # Where answers are left out, the lines above hold accuracies only, each over its own answers.
    results = measured.results
    for setting in results.settings[1:]:
        if not all(row.even(setting.name) for row in (*results.groups, results.overall)):
            yield paired_table(results, setting, adjusted=len(results.settings) > 2)


def _cells(row: Compared) -> tuple[str, ...]:
    before = row.measured.accuracy.get(BASELINE)
    after = row.measured.accuracy.get(MATA_NAME)
    even = row.measured.even(MATA_NAME)
    paired = row.measured.paired.get(MATA_NAME) if even else None
    return (
        _items(before, after),
        _figure(row.paper_baseline),
        *_accuracy(before),
        _figure(row.paper_mata),
        _accuracy(after)[0],
        NONE if row.paper_difference is None else points(row.paper_difference / 100),
        *((NONE,) * 5 if paired is None else paired_cells(paired)),
    )


def _items(before: Accuracy | None, after: Accuracy | None) -> str:
    """Return how many answers the measured accuracies are over: one number, or one for each."""
    if before is None or after is None or before.n == after.n:
        known = before or after
        return NONE if known is None else f"{known.n:,}"
    return f"{before.n:,} and {after.n:,}"


def _ablation_table(measured: Measured) -> Table:
    table, overall = measured.table, measured.results.overall
    said = {
        BASELINE: _figure(table.baseline.average),
        MATA_NAME: _figure(table.mata.average),
        **{each.name: _said(each.average, each.finding) for each in table.ablations},
    }
    lines = []
    shown = _shown(measured)
    for label in (name for name in said if name in shown):
        name = shown[label]
        paired = overall.paired.get(name) if overall.even(name) else None
        figures = (NONE,) * 3
        if paired is not None:
            difference, interval, *_, p_holm = paired_cells(paired, adjusted=True)
            figures = (difference, interval, p_holm)
        cells = (said[label], *_accuracy(overall.accuracy.get(name)), *figures)
        lines.append(Line("", label, cells))
    columns = ("paper", "measured", "95 % interval", "measured diff.", "95 % interval", "p (Holm)")
    return Table(f"{table.title}: layers and alpha", columns, tuple(lines))


def _shown(measured: Measured) -> dict[str, str]:
    """Return the settings to show, each with the one whose figures it has: itself, or its equal."""
    return {s.name: s.name for s in measured.results.settings} | dict(measured.equal)


def _said(average: float | None, finding: str) -> str:
    if average is None and finding:
        return finding
    return _figure(average) + (f" ({finding})" if finding else "")


def _accuracy(accuracy: Accuracy | None) -> tuple[str, str]:
    return (NONE, NONE) if accuracy is None else accuracy_cells(accuracy)


def _figure(value: float | None) -> str:
    return NONE if value is None else f"{value:.1f}"
