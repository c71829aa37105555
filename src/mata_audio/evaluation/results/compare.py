"""Pairing two runs on the same items, or refusing to, with the reason."""

from __future__ import annotations

import json
from collections.abc import Collection, Sequence
from dataclasses import dataclass

from mata_audio.errors import RunError
from mata_audio.evaluation.results.figures import accuracy_of, figures_of, pair
from mata_audio.evaluation.results.results import (
    Accuracy,
    ItemResult,
    Paired,
    Results,
    SettingResult,
)
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.settings.named import BASELINE
from mata_audio.shown.one_line import OneLine
from mata_audio.storage.run_folder import differences


@dataclass(frozen=True)
class ComparedGroup(OneLine):
    """A group of items under one run and the other; ``paired`` is second against first."""

    heading: str
    name: str
    first: Accuracy
    second: Accuracy
    paired: Paired


@dataclass(frozen=True)
class Side(OneLine):
    """One of the two that are compared.

    Args:
        setting: the run's setting.
        accuracy: over all its answers that count, also those that the other has no pair for.
        left_out: its answers of scored items that do not count.
    """

    setting: SettingResult
    accuracy: Accuracy
    left_out: int


@dataclass(frozen=True)
class Comparison(OneLine):
    """Two settings of two runs on the items that both answered.

    Args:
        first: the first run's setting.
        second: the second run's setting.
        groups: the benchmark's groups; all items come last.
        left_out: items without a scored answer in one of the runs.
        chosen_on: items left out because one of the settings was chosen on them, in a sweep.
        differences: what else differs between the runs, in words.
        of_settings: if both settings have one name, how they differ, in words.
    """

    first: Side
    second: Side
    groups: tuple[ComparedGroup, ...]
    left_out: int
    chosen_on: int
    differences: tuple[str, ...]
    of_settings: tuple[str, ...]


def compare_runs(
    first: Results, second: Results, first_setting: str, second_setting: str
) -> Comparison:
    """Compare a setting of one run with a setting of another, item by item.

    Raises:
        RunError: the runs are not on the same items of the same data and audio, a setting is not in
            its run, or no item was answered and scored in both.
    """
    _check_same_items(first, second)
    for results, setting in ((first, first_setting), (second, second_setting)):
        names = [s.name for s in results.settings]
        if setting not in names:
            hint = did_you_mean(setting, names)
            raise RunError(f"the run has no setting {setting!r}{hint}; it has: {', '.join(names)}")
    compared = ((first, first_setting), (second, second_setting))
    chosen_on = {id for run, name in compared if name != BASELINE for id in run.tuning_ids}
    pairs = [
        (before, bool(before.answers[first_setting].correct), bool(own.correct))
        for before, after in zip(first.items, second.items, strict=True)
        for own in [after.answers.get(second_setting)]
        if before.id not in chosen_on
        and own is not None
        and own.correct is not None
        and first_setting in before.answers
        and before.answers[first_setting].correct is not None
    ]
    if not pairs:
        raise RunError("no item was answered and scored in both runs")
    groups = [
        _group(
            row.heading, row.name, [p for p in pairs if p[0].groups.get(row.grouping) == row.name]
        )
        for row in first.groups
    ]
    overall = _group("", "all", pairs)
    sides = [_side(results, name, chosen_on) for results, name in compared]
    return Comparison(
        first=sides[0],
        second=sides[1],
        groups=tuple(group for group in [*groups, overall] if group is not None),
        left_out=len(first.items) - len(pairs) - len(chosen_on),
        chosen_on=len(chosen_on),
        differences=tuple(_other_differences(first, second)),
        of_settings=tuple(_setting_differences(*(side.setting for side in sides))),
    )


def _side(results: Results, name: str, without: Collection[str]) -> Side:
    setting = next(own for own in results.settings if own.name == name)
    items = [item for item in results.items if item.id not in without]
    row = figures_of(items, list(dict.fromkeys((BASELINE, name))))
    return Side(setting, row.accuracy[name], row.left_out.get(name, 0))


def _setting_differences(first: SettingResult, second: SettingResult) -> list[str]:
    """Return how two settings of one name differ; nothing if their names differ."""
    if first.name != second.name:
        return []
    before, after = (json.loads(json.dumps(setting.method)) for setting in (first, second))
    return differences(before, after)


def _group(
    heading: str, name: str, pairs: Sequence[tuple[ItemResult, bool, bool]]
) -> ComparedGroup | None:
    if not pairs:
        return None
    before, after = [p[1] for p in pairs], [p[2] for p in pairs]
    return ComparedGroup(
        heading, name, accuracy_of(before), accuracy_of(after), pair(before, after)
    )


def _check_same_items(first: Results, second: Results) -> None:
    a, b = first.run["identity"], second.run["identity"]
    for key in ("task", "split", "data"):
        if a[key] != b[key]:
            changed = "; ".join(differences(a[key], b[key], (key,)))
            raise RunError(f"the runs cannot be paired: {changed}")
    ids, others = [item.id for item in first.items], [item.id for item in second.items]
    if ids != others:
        only = [id for id in ids if id not in set(others)]
        new = [id for id in others if id not in set(ids)]
        example = (only or new or ids)[0]
        raise RunError(
            f"the runs cannot be paired: {len(only)} items are only in the first and {len(new)} "
            f"only in the second, such as {example!r}. Run both on the same items (--items, --ids)"
        )
    for item, other in zip(first.items, second.items, strict=True):
        if item.clips and other.clips and _sounds(item) != _sounds(other):
            raise RunError(
                f"the runs cannot be paired: the audio of item {item.id!r} is not the same in both "
                f"({', '.join(clip.name for clip in item.clips)}). Run both on the same audio"
            )


def _sounds(item: ItemResult) -> list[str]:
    return [clip.sha256 for clip in item.clips]


def _other_differences(first: Results, second: Results) -> list[str]:
    """Return how the runs differ apart from their settings."""

    def made(results: Results) -> dict[str, object]:
        identity = {k: v for k, v in results.run["identity"].items() if k != "settings"}
        return {**identity, "reader": results.run["facts"]["reader"]}

    return differences(made(first), made(second))
