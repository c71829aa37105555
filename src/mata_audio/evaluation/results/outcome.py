"""From stored answers to results: scored, grouped and compared with the baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from mata_audio.errors import ScoringError
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.results.figures import figures_of, left_out_of, row_of
from mata_audio.evaluation.results.results import (
    UNHEARD,
    Answer,
    ClipHeard,
    ItemResult,
    Results,
    SettingResult,
)
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.results.without_audio import unheard_of
from mata_audio.evaluation.task import Task

Lines = Mapping[str, Mapping[str, Any]]
"""Stored lines by item id; see :mod:`mata_audio.storage.items_file`."""


def make_results(
    dataset: Dataset,
    lines: Lines,
    settings: Sequence[SettingResult],
    scores: AnswerScores,
    run: Mapping[str, Any],
    tuning_ids: Sequence[str] = (),
) -> Results:
    """Turn stored answers into figures.

    Args:
        dataset: the benchmark's items.
        lines: the stored lines; items without one are left out.
        settings: the baseline first; the no-audio arm may be among them.
        scores: reads and scores the answers.
        run: the content of ``run.json``.
        tuning_ids: items that the settings are chosen on; no figure counts them.
    """
    task = scores.task
    items = [item for item in dataset.items if item.id in lines]
    notes: list[str] = []
    outcomes: dict[str, dict[str, Answer]] = {}
    for setting in settings:
        outcomes[setting.name] = _answers(scores, items, lines, setting.name, notes)
    results = tuple(
        _item_result(item, lines[item.id], outcomes, task.unscored_reason(item) is None)
        for item in items
    )
    answered = [setting.name for setting in settings]
    names = [name for name in answered if name != UNHEARD]
    tuning = set(tuning_ids)
    counted = [result for result in results if result.id not in tuning]
    overall = figures_of(counted, names)
    groups = tuple(
        row_of(grouping.key, grouping.heading, name, members, names)
        for grouping in task.groupings
        for name, members in _grouped(counted, grouping.key, grouping.names).items()
    )
    notes += _notes(task, dataset, items, results, run)
    notes += _left_out_note(left_out_of(results, answered))
    found = [lines[item.id] for item in items]
    by_name = {s.name: replace(s, **_listening(found, s.name)) for s in settings}
    arm = by_name.pop(UNHEARD, None)
    return Results(
        run=run,
        settings=tuple(by_name.values()),
        overall=overall,
        groups=groups,
        items=results,
        notes=tuple(notes),
        tuning_ids=tuple(result.id for result in results if result.id in tuning),
        unheard=None if arm is None else unheard_of(counted, arm, names),
    )


def _answers(
    scores: AnswerScores, items: Sequence[Item], lines: Lines, setting: str, notes: list[str]
) -> dict[str, Answer]:
    """Return each item's answer under a setting, scored as the official script scores them."""
    task = scores.task
    answered = [item for item in items if "answers" in lines[item.id]]
    raw = {item.id: lines[item.id]["answers"][setting] for item in answered}
    answers = {item.id: scores.answer(item, raw[item.id]) for item in answered}
    if not task.looks_back and not any(scores.stops_at(item, raw[item.id]) for item in answered):
        return answers
    scored = [item for item in answered if task.unscored_reason(item) is None]
    try:
        correct = task.outcomes([task.record(item, answers[item.id].read) for item in scored])
    except ScoringError as error:
        notes.append(
            f"The official scorer would stop at the answers of {setting}: {error}. Here that "
            "answer is left out, and the answers are scored one by one."
        )
        return answers
    for item, right in zip(scored, correct, strict=True):
        answers[item.id] = replace(answers[item.id], correct=right)
    return answers


def _item_result(
    item: Item, line: Mapping[str, Any], outcomes: Mapping[str, Mapping[str, Answer]], scored: bool
) -> ItemResult:
    return ItemResult(
        id=item.id,
        question=item.question,
        choices=item.choices,
        answer=item.answer,
        groups=dict(item.groups),
        clips=tuple(ClipHeard(**clip) for clip in line.get("clips", ())),
        answers={name: found[item.id] for name, found in outcomes.items() if item.id in found},
        error=line.get("error"),
        scored=scored,
    )


def _grouped(
    results: Sequence[ItemResult], key: str, order: Sequence[str]
) -> dict[str, list[ItemResult]]:
    groups: dict[str, list[ItemResult]] = {name: [] for name in order}
    for result in results:
        if key in result.groups:
            groups.setdefault(result.groups[key], []).append(result)
    return {name: members for name, members in groups.items() if members}


def _listening(lines: Sequence[Mapping[str, Any]], setting: str) -> dict[str, Any]:
    """Return how a setting's rows listened, averaged over items."""
    means: dict[str, Any] = {}
    for share in ("negative_share", "mass_before", "mass_after"):
        found = [line.get(share, {}).get(setting) for line in lines]
        known = [value for value in found if value is not None]
        means[share] = float(np.mean(known)) if known else None
    return means


def _left_out_note(counts: Mapping[str, int]) -> list[str]:
    """Return a note on answers that do not count; settings without any are not named."""
    if not counts:
        return []
    told = ", ".join(f"{name} {count:,}" for name, count in counts.items())
    if len(counts) > 8:
        most = max(counts.values())
        told = f"up to {most:,} under each of {len(counts):,} settings"
    return [f"Answers left out, because the official script does not count them: {told}."]


def _notes(
    task: Task,
    dataset: Dataset,
    items: Sequence[Item],
    results: Sequence[ItemResult],
    run: Mapping[str, Any],
) -> list[str]:
    """Return what a reader of the results must know, as sentences."""
    notes = []
    if len(items) < len(dataset.items):
        notes.append(
            f"{len(items):,} of the {len(dataset.items):,} items of {task.title} "
            f"{dataset.split} were run."
        )
    failed = sum(result.error is not None for result in results)
    if failed:
        notes.append(
            f"{failed:,} {'item' if failed == 1 else 'items'} failed and "
            f"{'has' if failed == 1 else 'have'} no answer; no denominator counts them."
        )
    reasons = [task.unscored_reason(item) for item in items]
    for why in dict.fromkeys(reason for reason in reasons if reason is not None):
        count = reasons.count(why)
        were = "item was" if count == 1 else "items were"
        notes.append(f"{count:,} {were} run and stored but not scored: {why}.")
    cut = sum(any(clip.heard < clip.seconds for clip in result.clips) for result in results)
    if cut:
        notes.append(
            f"{cut:,} {'item has' if cut == 1 else 'items have'} a clip that is longer than the "
            "model hears; it heard only the beginning."
        )
    penalty = run.get("identity", {}).get("generation", {}).get("repetition_penalty")
    if penalty not in (None, 1.0):
        notes.append(
            f"Decoding was greedy with the checkpoint's repetition penalty of {penalty:g}."
        )
    return notes
