"""``sweep``: rank many settings on one part of the items, report the winner on the rest."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mata_audio.errors import DataError, SettingsError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.ranking import Sweep, rank
from mata_audio.evaluation.results.results import ItemResult
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.executor import Executor
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.progress import Progress
from mata_audio.evaluation.task import Task
from mata_audio.models.loading import Loaded
from mata_audio.settings.named import NamedSetting
from mata_audio.storage.run_folder import RunFolder

FEWEST_ITEMS = 20
"""Ten to choose on and ten to report on; fewer are too few to show anything."""


def sweep(
    model: str | Path | Loaded,
    task: str | Task,
    out: str | Path,
    settings: Sequence[NamedSetting],
    *,
    data: str | Path | None = None,
    tuning_share: float = 0.5,
    split_seed: int = 0,
    report: Callable[[Progress], None] | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Sweep:
    """Run every setting on every item, each item from one prefill, and choose the best setting.

    Settings are ranked on one part of the items and reported on the rest.

    Args:
        model: as for :func:`mata_audio.evaluation.evaluate`.
        task: as for :func:`mata_audio.evaluation.evaluate`.
        out: the run's folder; a stopped run resumes. If the winner is better than the baseline on
            the rest too, it is saved there as ``winner.json``, with a note of what it was tuned on.
        settings: from :func:`grid` or :func:`preset`, or your own.
        data: the benchmark's folder, question file or hub id.
        tuning_share: share of the items that settings are ranked on.
        split_seed: seed for dividing the items; every group of the first grouping is divided alike.
        report: called with the progress after every batch.
        executor: as for :func:`mata_audio.evaluation.evaluate`.
        options: fields of :class:`mata_audio.evaluation.Options`.

    Raises:
        SettingsError: no settings, or too few items for two parts.
        DataError: the split hides its answers, so nothing can be chosen by them.
        MataError: as for :func:`mata_audio.evaluation.evaluate`.
    """
    if not settings:
        raise SettingsError("the grid is empty: give at least one setting")
    plan = make_plan(model, task, data, settings, Options(**options))
    return sweep_plan(
        plan,
        RunFolder(out),
        tuning_share,
        split_seed,
        report or (lambda _: None),
        executor=executor,
    )


def sweep_plan(
    plan: Plan,
    folder: RunFolder,
    tuning_share: float,
    split_seed: int,
    report: Callable[[Progress], None],
    how: Mapping[str, Any] | None = None,
    executor: Executor | None = None,
) -> Sweep:
    """Run or resume a plan and rank its settings; errors as for :func:`sweep`.

    ``how`` is JSON data on how the settings were found; it is saved in the winner's file.
    ``executor`` is as for :func:`mata_audio.evaluation.evaluate`.
    """
    ids = check_divisible(plan, tuning_share, split_seed)
    chosen_on = {"tuning_ids": list(ids), **({} if how is None else {"how": dict(how)})}
    results = run_plan(replace(plan, sweep=chosen_on), folder, report, executor)
    return rank(results, results.tuning_ids)


def tuning_part(
    task: Task, items: Sequence[ItemResult | Item], share: float, seed: int
) -> tuple[str, ...]:
    """Return the ids to choose on: :func:`divided` by the task's first grouping."""
    grouping = task.groupings[0].key if task.groupings else ""
    return divided(items, grouping, share, seed)


def divided(
    items: Sequence[ItemResult | Item], grouping: str, share: float, seed: int
) -> tuple[str, ...]:
    """Return the ids of the tuning part: this share of every group, always the same for a seed.

    An item's part depends only on the seed and the ids of its group.
    """
    groups: dict[str, list[str]] = {}
    for item in items:
        groups.setdefault(item.groups.get(grouping, ""), []).append(item.id)
    chosen: set[str] = set()
    for ids in groups.values():
        shuffled = sorted(ids, key=lambda id: hashlib.sha256(f"{seed}:{id}".encode()).digest())
        chosen.update(shuffled[: round(share * len(ids))])
    return tuple(item.id for item in items if item.id in chosen)


def check_divisible(plan: Plan, tuning_share: float, split_seed: int) -> tuple[str, ...]:
    """Return the ids to choose on, after checking that both parts have items to score.

    Raises:
        SettingsError: too few items, or a share that leaves a part without any.
        DataError: none of them can be scored.
    """
    if not 0 < tuning_share < 1:
        raise SettingsError(f"tuning_share must be between 0 and 1; got {tuning_share}")
    labelled = {item.id for item in plan.items if plan.task.unscored_reason(item) is None}
    if not labelled:
        raise DataError(
            f"{plan.task.title} {plan.dataset.split} has no answers to score by, so no setting "
            "can be chosen on it: use a split with answers"
        )
    if len(labelled) < FEWEST_ITEMS:
        raise SettingsError(
            f"{len(labelled)} items are too few to choose on one part and report on another: "
            f"give at least {FEWEST_ITEMS}"
        )
    ids = tuning_part(plan.task, plan.items, tuning_share, split_seed)
    for part, to in ((labelled.intersection(ids), "choose"), (labelled.difference(ids), "report")):
        if not part:
            raise SettingsError(
                f"tuning_share {tuning_share:g} leaves none of {len(labelled):,} items to {to} "
                "on: give one nearer to 0.5, or more items"
            )
    return ids
