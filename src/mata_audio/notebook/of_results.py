"""Results: the tables of the run, paired with the baseline, and the picture of accuracies."""

from __future__ import annotations

from itertools import groupby
from operator import attrgetter

from markupsafe import Markup

from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.results.table import Table
from mata_audio.evaluation.results.tables import opening, tables
from mata_audio.notebook import markup
from mata_audio.pictures import PICTURES, pictures_of_run

_SHOWN = "accuracy"


def html(results: Results) -> str:
    """Return a run's tables, its notes and its accuracies as a picture."""
    made = text(results)
    if any(own.n for own in results.overall.accuracy.values()):
        others = set(PICTURES) - {_SHOWN}
        made += markup.picture(_SHOWN, lambda: pictures_of_run(results, others)[_SHOWN])
    return made


def text(results: Results) -> Markup:
    """Return what a run found, its tables and its notes."""
    parts = [*map(markup.paragraph, opening(results)), *map(_table, tables(results))]
    return Markup().join([*parts, *map(markup.paragraph, results.notes)])


def _table(own: Table) -> Markup:
    rows: list[list[str]] = []
    for heading, lines in groupby(own.lines, attrgetter("heading")):
        if heading:
            rows.append([heading, *[""] * len(own.columns)])
        rows += [[line.name, *line.cells] for line in lines]
    made = markup.table(own.title, [own.corner, *own.columns], rows)
    return made + markup.paragraph(own.note) if own.note else made
