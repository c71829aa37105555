"""A study as tables, and several studies as one: for a terminal and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence

from mata_audio.evaluation.results.number_format import (
    ABSENT,
    counted,
    p_value,
    percent,
    points,
)
from mata_audio.evaluation.results.results import Paired
from mata_audio.evaluation.results.significance import SIGNIFICANT
from mata_audio.evaluation.results.table import (
    Line,
    Table,
    escaped_markdown,
    one_line,
    table_markdown,
    table_text,
)
from mata_audio.evaluation.results.without_audio import WITHOUT_AUDIO
from mata_audio.evaluation.study.contenders import CARRIED
from mata_audio.evaluation.study.outcome import Entry, Figures, Study, overall

EXPLAINED = (
    "Points of difference to the baseline on the reporting items, which no setting was chosen on. "
    "gained / lost: answers. p: exact McNemar, adjusted (Holm) over the settings of this table. "
    "left out: each group under a setting chosen or fitted without it, pooled. cost: rows of the "
    "batch, and prefills. seconds: a prompt with only this setting, measured."
)


def study_table(study: Study, described: bool = True) -> Table:
    """Return the table of a study: a row for each reported setting.

    Args:
        study: the study.
        described: whether a column says what each setting does; the longest one.
    """
    heard = [own.name for own in study.baseline if own.grouping == WITHOUT_AUDIO]
    keys = list(dict.fromkeys(out.key for own in study.entries for out in own.left_out))
    columns = [
        *(["setting"] if described else []),
        *study.conditions,
        *heard,
        "all",
        "95 % interval",
        "gained / lost",
        "p (Holm)",
        *(f"{key} left out" for key in keys),
        "cost",
        "seconds",
        "finding",
    ]
    places = [(study.condition, own) for own in study.conditions]
    places += [(WITHOUT_AUDIO, own) for own in heard]
    best = study.recommended
    lines = [
        Line(
            "",
            f"{own.method}, {own.how}",
            (
                *([own.description or ABSENT] if described else []),
                *(_difference(own.figures, *at) for at in places),
                *_overall_cells(own.overall),
                *(left_out_cell(own, key) for key in keys),
                own.cost or ABSENT,
                ABSENT if own.seconds is None else f"{own.seconds:.3g}",
                study.standing(own) + (" (recommended)" if own is best else ""),
            ),
        )
        for own in study.entries
    ]
    return Table(heading(study), tuple(columns), tuple(lines), "method", EXPLAINED)


def heading(study: Study) -> str:
    """Return what was run on what, in a line."""
    part = study.reporting
    return f"{study.model['name']} on {part.title} {part.split}: {counted(part.items, 'item')}"


def facts(study: Study) -> list[str]:
    """Return what a reader of the table must know, a sentence each."""
    base = next(own for own in study.baseline if own.grouping == "")
    choosing, reporting = study.choosing, study.reporting
    by_condition = ", ".join(
        f"{own.name} {percent(own.correct / own.n)} %"
        for own in study.baseline
        if own.grouping == study.condition != ""
    )
    said = [
        f"Baseline: {percent(base.correct / base.n)} % of {counted(base.n, 'item')}"
        + (f" ({by_condition})." if by_condition else "."),
        f"{study.tried} settings were tried on {counted(choosing.items, 'choosing item')} of "
        f"{choosing.title} {choosing.split}; no reporting item is among them.",
    ]
    if study.unheard is not None:
        arm = study.unheard
        said.append(f"Without the audio: {percent(arm.correct / arm.n)} % of {arm.n:,}.")
    for part, what in ((choosing, "choosing"), (reporting, "reporting")):
        if part.failed:
            said.append(f"{counted(part.failed, f'{what} item')} failed and has no answer.")
    if study.shared_clips:
        said.append(
            f"{counted(study.shared_clips, 'reporting item')} asked about a clip that a choosing "
            "item is about too."
        )
    if study.seconds is not None:
        said.append(f"The baseline takes {study.seconds:.3g} seconds a prompt.")
    return [*said, verdict(study)]


def verdict(study: Study) -> str:
    """Say what is recommended, or why nothing is."""
    winner = study.winner
    if winner is None:
        return "Nothing is recommended: no setting gained on the choosing items."
    name = f"{winner.method}: {winner.description}"
    against = study.against(winner)
    if against:
        return f"Nothing is recommended: the best on the choosing items, {name}, {against[0]}."
    found = winner.overall
    assert found is not None
    chance = "" if found.p_holm < SIGNIFICANT else "That may be chance. "
    return (
        f"Recommended: {name}: {points(found.difference)} points "
        f"({found.gained:,} gained, {found.lost:,} lost, p (Holm) {p_value(found.p_holm)}). "
        f"{chance}It was the best on the choosing items, without losing in a condition there."
    )


def study_text(study: Study) -> str:
    """Return a study for a terminal: what was found, then the figures, then the settings."""
    settings = [
        f"{own.method}, {own.how}: {one_line(own.description)}"
        for own in study.entries
        if own.description
    ]
    table = table_text(study_table(study, described=False))
    parts = [verdict(study), table, "\n".join(settings), "\n".join(facts(study)[:-1])]
    return "\n\n".join(parts)


def study_markdown(study: Study) -> str:
    """Return a study in Markdown."""
    said = [f"- {escaped_markdown(own)}" for own in facts(study)]
    return "\n\n".join([table_markdown(study_table(study)), "\n".join(said)]) + "\n"


def joined_markdown(studies: Sequence[Study]) -> str:
    """Return one table of methods and models in Markdown.

    A cell has the points over all reporting items with the answers gained and lost and Holm's p,
    and, after a semicolon, the points on groups left out.
    """
    rows: dict[tuple[str, str], dict[int, Entry]] = {}
    for place, study in enumerate(studies):
        for own in study.entries:
            rows.setdefault((own.method, own.how), {})[place] = own
    ordered = sorted(rows, key=lambda row: row[1] == CARRIED)
    columns = tuple(heading(own) for own in studies)
    lines = tuple(
        Line(
            "",
            f"{method}, {how}",
            tuple(
                joined_cell(rows[method, how].get(place), study)
                for place, study in enumerate(studies)
            ),
        )
        for method, how in ordered
    )
    title = "Points over the baseline (gained / lost, p after Holm); on groups left out"
    return table_markdown(Table(title, columns, lines, "method")) + "\n"


def joined_cell(entry: Entry | None, study: Study) -> str:
    """Return what one entry gains, in a cell."""
    if entry is None:
        return ABSENT
    found = entry.overall
    if found is None:
        return "nothing found"
    parts = [
        f"{points(found.difference)} ({found.gained:,} / {found.lost:,}, p {p_value(found.p_holm)})"
    ]
    for out in entry.left_out:
        pooled = overall(out.figures)
        if pooled is not None:
            parts.append(f"{out.key} left out {points(pooled.difference)}")
    return "; ".join(parts) + (" (recommended)" if entry is study.recommended else "")


def left_out_cell(entry: Entry, key: str) -> str:
    """Return what an entry gains on groups that were left out."""
    out = next((own for own in entry.left_out if own.key == key), None)
    pooled = None if out is None else overall(out.figures)
    if pooled is None:
        return ABSENT
    return f"{points(pooled.difference)} ({pooled.gained:,} / {pooled.lost:,})"


def _difference(figures: Sequence[Figures], grouping: str, name: str) -> str:
    found = next((own for own in figures if (own.grouping, own.name) == (grouping, name)), None)
    return ABSENT if found is None else points(found.paired.difference)


def _overall_cells(found: Paired | None) -> tuple[str, ...]:
    if found is None:
        return (ABSENT,) * 4
    return (
        points(found.difference),
        f"{points(found.low)} to {points(found.high)}",
        f"{found.gained:,} / {found.lost:,}",
        p_value(found.p_holm),
    )
