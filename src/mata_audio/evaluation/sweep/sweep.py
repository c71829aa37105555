"""``sweep``: rank many settings on one part of the items, report the winner on the rest."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mata_audio.errors import DataError, RunError, SettingsError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.outcome import figures_of
from mata_audio.evaluation.results.results import ItemResult, Results, Row, SettingResult
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.runner import Progress
from mata_audio.evaluation.task import Task
from mata_audio.models.loading import Loaded
from mata_audio.settings.named import BASELINE, NamedSetting, save_setting
from mata_audio.storage.atomic_file import write_atomically
from mata_audio.storage.run_folder import RunFolder

DIVISION = "sweep.json"

FEWEST_ITEMS = 20
"""Ten to choose on and ten to report on; fewer are too few to show anything."""


@dataclass(frozen=True)
class Sweep:
    """The result of a sweep.

    Args:
        results: the whole run: every setting on every item.
        tuning_ids: ids of the items that settings were ranked on.
        ranking: setting names, the best on the tuning part first.
        tuning: figures of the tuning part; p values are Holm-adjusted over the grid.
        held_out: figures of the rest. Only the winner's are free of selection bias.
        winner: the best setting on the tuning part; None if none gains more than it loses.
    """

    results: Results
    tuning_ids: tuple[str, ...]
    ranking: tuple[str, ...]
    tuning: Row
    held_out: Row
    winner: str | None

    def setting(self, name: str) -> SettingResult:
        """Return a setting of the sweep by its name."""
        return next(setting for setting in self.results.settings if setting.name == name)


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
    **options: Any,
) -> Sweep:
    """Run every setting on every item, each item from one prefill, and choose the best setting.

    Settings are ranked on one part of the items and reported on the rest.

    Args:
        model: as for :func:`mata_audio.evaluation.evaluate`.
        task: as for :func:`mata_audio.evaluation.evaluate`.
        out: the run's folder; a stopped run resumes. The chosen setting is saved there as
            ``winner.json``, with a note of what it was tuned on.
        settings: from :func:`grid` or :func:`preset`, or your own.
        data: the benchmark's folder, question file or hub id.
        tuning_share: share of the items that settings are ranked on.
        split_seed: seed for dividing the items; every group of the first grouping is divided alike.
        report: called with the progress after every batch.
        options: fields of :class:`mata_audio.evaluation.Options`.

    Raises:
        SettingsError: no settings, or too few items for two parts.
        DataError: the split hides its answers, so nothing can be chosen by them.
        MataError: as for :func:`mata_audio.evaluation.evaluate`.
    """
    if not settings:
        raise SettingsError("the grid is empty: give at least one setting")
    plan = make_plan(model, task, data, settings, Options(**options))
    return sweep_plan(plan, RunFolder(out), tuning_share, split_seed, report or (lambda _: None))


def sweep_plan(
    plan: Plan,
    folder: RunFolder,
    tuning_share: float,
    split_seed: int,
    report: Callable[[Progress], None],
    how: Mapping[str, Any] | None = None,
) -> Sweep:
    """Run or resume a plan and rank its settings; errors as for :func:`sweep`.

    ``how`` is JSON data on how the settings were found; it is saved in the winner's file.
    """
    check_divisible(plan, tuning_share)
    results = run_plan(plan, folder, report)
    found = rank(results, tuning_part(plan.task, results.items, tuning_share, split_seed))
    _write(found, plan, folder.path, how)
    return found


def _write(found: Sweep, plan: Plan, folder: Path, how: Mapping[str, Any] | None) -> None:
    """Write how the items were divided, and the winner's setting; an earlier winner is removed."""
    account = {"tuning_ids": found.tuning_ids, "ranking": found.ranking, "winner": found.winner}
    write_atomically(folder / DIVISION, json.dumps(account, indent=1) + "\n")
    winner = folder / "winner.json"
    if found.winner is None:
        winner.unlink(missing_ok=True)
        return
    chosen = next(setting for setting in plan.settings if setting.name == found.winner)
    tuned_on = {
        "task": plan.task.name,
        "split": plan.dataset.split,
        "files": dict(plan.dataset.files),
        "ids": list(found.tuning_ids),
        **({} if how is None else {"how": dict(how)}),
    }
    save_setting(NamedSetting(chosen.name, chosen.mata, tuned_on), winner)


def stored_sweep(results: Results, folder: Path) -> Sweep | None:
    """Return the sweep stored in a run's folder; None if the run is not a sweep.

    Raises:
        RunError: the stored sweep does not fit the run.
    """
    path = folder / DIVISION
    if not path.exists():
        return None
    try:
        ids = json.loads(path.read_text(encoding="utf-8"))["tuning_ids"]
        known = {item.id for item in results.items}
        if not ids or not known.issuperset(ids):
            raise ValueError("its items are not the run's")
    except (ValueError, KeyError, TypeError) as error:
        raise RunError(f"{path} cannot be used ({error}): run the sweep again") from error
    return rank(results, ids)


def rank(results: Results, tuning_ids: Sequence[str]) -> Sweep:
    """Rank the settings of a run on some of its items and report on the others."""
    chosen_on = set(tuning_ids)
    names = [setting.name for setting in results.settings]
    tuning = figures_of([item for item in results.items if item.id in chosen_on], names)
    rest = figures_of([item for item in results.items if item.id not in chosen_on], names)
    compared = [name for name in names if name != BASELINE and name in tuning.paired]
    # Ties keep the order in which the settings were given.
    ranking = tuple(sorted(compared, key=lambda name: -tuning.paired[name].difference))
    best = ranking[0] if ranking and tuning.paired[ranking[0]].difference > 0 else None
    return Sweep(results, tuple(tuning_ids), ranking, tuning, rest, best)


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


def check_divisible(plan: Plan, tuning_share: float) -> None:
    """Check that a plan's items can be divided into a part to choose on and one to report on.

    Raises:
        SettingsError: too few items, or an impossible share.
        DataError: none of them can be scored.
    """
    if not 0 < tuning_share < 1:
        raise SettingsError(f"tuning_share must be between 0 and 1; got {tuning_share}")
    labelled = [item for item in plan.items if plan.task.unscored_reason(item) is None]
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
