"""From the results of a study's two runs to its outcome, without the model."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from mata_audio.evaluation.results.figures import pair
from mata_audio.evaluation.results.results import ItemResult, Results, Row, SettingResult
from mata_audio.evaluation.results.significance import holm
from mata_audio.evaluation.study.answers import before_and_after, members_of
from mata_audio.evaluation.study.outcome import (
    Correct,
    Entry,
    Figures,
    LeftOut,
    Part,
    Study,
)
from mata_audio.settings.named import BASELINE


@dataclass(frozen=True)
class Reported:
    """A row of the table before it has figures.

    Args:
        method: see :class:`Entry`.
        how: see there.
        name: see there.
        tried: see there.
        without: by grouping and group, the name of the setting that was chosen or fitted without
            the group; None where nothing was found.
    """

    method: str
    how: str
    name: str | None
    tried: int = 0
    without: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)


@dataclass(frozen=True)
class Cost:
    """What a setting costs, in words and as measured."""

    words: str
    seconds: float


def compiled(
    choosing: Results,
    reporting: Results,
    reported: Sequence[Reported],
    costs: Mapping[str, Cost],
    condition: str,
) -> Study:
    """Return the outcome of a study.

    Args:
        choosing: results of the choosing run.
        reporting: results of the reporting run.
        reported: the rows of the table.
        costs: by setting name, the baseline among them.
        condition: key of the grouping whose groups are the conditions.
    """
    entries = [_entry(own, choosing, reporting, costs) for own in reported]
    arm = reporting.unheard
    identity, facts = reporting.run["identity"], reporting.run["facts"]
    model = {key: identity[key] for key in ("weights", "config_sha256", "dtype", "attention")}
    own = costs.get(BASELINE)
    return Study(
        model={"name": identity["model"], "model_type": facts["model_type"], **model},
        machines=_machines(choosing, reporting),
        choosing=part_of(choosing),
        reporting=part_of(reporting),
        shared_clips=shared_clips(choosing.items, reporting.items),
        condition=condition,
        tried=len(choosing.settings) - 1,
        baseline=tuple(_correct(row) for row in _rows(reporting) if BASELINE in row.accuracy),
        unheard=None
        if arm is None or arm.accuracy is None
        else Correct("", "", "all", arm.accuracy.n, arm.accuracy.correct),
        seconds=None if own is None else own.seconds,
        entries=tuple(adjusted(entries)),
    )


def _entry(
    row: Reported, choosing: Results, reporting: Results, costs: Mapping[str, Cost]
) -> Entry:
    entry = Entry(row.method, row.how, tried=row.tried)
    entry = replace(
        entry,
        left_out=tuple(
            _left_out(key, by_group, reporting) for key, by_group in row.without.items()
        ),
    )
    if row.name is None:
        return entry
    found: SettingResult = next(own for own in reporting.settings if own.name == row.name)
    cost = costs[row.name]
    return replace(
        entry,
        name=row.name,
        description=found.description,
        setting=found.method,
        cost=cost.words,
        seconds=cost.seconds,
        chosen_on=_chosen_on(choosing, row.name),
        figures=tuple(
            Figures(own.grouping, own.heading, own.name, own.paired[row.name])
            for own in _rows(reporting)
            if row.name in own.paired
        ),
    )


def _chosen_on(choosing: Results, name: str) -> Any:
    return choosing.overall.paired.get(name)


def _rows(results: Results) -> list[Row]:
    """Return all items, then the benchmark's groups, then those by the no-audio arm."""
    arm = () if results.unheard is None else results.unheard.parts
    return [results.overall, *results.groups, *arm]


def _correct(row: Row) -> Correct:
    own = row.accuracy[BASELINE]
    return Correct(row.grouping, row.heading, row.name, own.n, own.correct)


def _left_out(key: str, by_group: Mapping[str, str | None], reporting: Results) -> LeftOut:
    """Return the figures of each group under the setting that was chosen without it."""
    members: dict[tuple[str, str, str], list[tuple[bool, bool]]] = {("", "", "all"): []}
    for row in reporting.groups:
        members.setdefault((row.grouping, row.heading, row.name), [])
    for group, setting in by_group.items():
        for item in members_of(reporting.items, key, group):
            found = before_and_after(item, BASELINE if setting is None else setting)
            if found is not None:
                for at in members:
                    if at[0] == "" or item.groups.get(at[0]) == at[2]:
                        members[at].append(found)
    figures = tuple(
        Figures(*at, pair([own[0] for own in pairs], [own[1] for own in pairs]))
        for at, pairs in members.items()
        if pairs
    )
    return LeftOut(key, dict(by_group), figures)


def adjusted(entries: Sequence[Entry]) -> list[Entry]:
    """Return entries with p adjusted (Holm) over those of the table, group by group.

    A setting that is in the table twice, as published and as chosen, counts once.
    """
    known: dict[Any, dict[str, float]] = {}
    for entry in entries:
        for own in entry.figures:
            known.setdefault((own.grouping, own.name), {})[str(entry.name)] = own.paired.p
        for out in entry.left_out:
            for own in out.figures:
                by_name = known.setdefault((out.key, own.grouping, own.name), {})
                by_name[entry.method + entry.how] = own.paired.p
    holms = {
        at: dict(zip(values, holm(list(values.values())), strict=True))
        for at, values in known.items()
    }

    def with_holm(own: Figures, at: Any, name: str) -> Figures:
        return replace(own, paired=replace(own.paired, p_holm=holms[at][name]))

    return [
        replace(
            entry,
            figures=tuple(
                with_holm(own, (own.grouping, own.name), str(entry.name)) for own in entry.figures
            ),
            left_out=tuple(
                replace(
                    out,
                    figures=tuple(
                        with_holm(own, (out.key, own.grouping, own.name), entry.method + entry.how)
                        for own in out.figures
                    ),
                )
                for out in entry.left_out
            ),
        )
        for entry in entries
    ]


def part_of(results: Results) -> Part:
    """Return what a run was of."""
    identity, facts = results.run["identity"], results.run["facts"]
    template = identity["template"]
    return Part(
        task=identity["task"],
        title=facts["title"],
        split=identity["split"],
        version=facts["data_version"],
        data={PurePath(name).name: digest for name, digest in identity["data"].items()},
        items=len(results.items),
        failed=sum(item.error is not None for item in results.items),
        ids=hashlib.sha256("\n".join(item.id for item in results.items).encode()).hexdigest(),
        template=PurePath(template["name"]).name,
        template_sha256=template["sha256"],
        reader=facts["reader"],
    )


def shared_clips(choosing: Sequence[ItemResult], reporting: Sequence[ItemResult]) -> int:
    """Return how many reporting items have a clip that a choosing item has too."""
    known = {clip.sha256 for item in choosing for clip in item.clips}
    return sum(any(clip.sha256 in known for clip in item.clips) for item in reporting)


def _machines(*runs: Results) -> tuple[Mapping[str, Any], ...]:
    machines: list[Mapping[str, Any]] = []
    for run in runs:
        machines += [own for own in run.run["machines"] if own not in machines]
    return tuple(machines)
