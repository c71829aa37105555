"""Scoring by a benchmark's official rule, in inspect_ai: item by item, and as a whole."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache
from typing import Any

from inspect_ai.scorer import (
    CORRECT,
    INCORRECT,
    NOANSWER,
    Metric,
    SampleScore,
    Score,
    Scorer,
    Target,
    metric,
    scorer,
)
from inspect_ai.solver import TaskState

from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.results.outcome import make_results
from mata_audio.evaluation.results.results import Row, SettingResult
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.tasks import task_named
from mata_audio.settings.named import BASELINE

_VALUES = {True: CORRECT, False: INCORRECT, None: NOANSWER}
"""Of an outcome; answers that do not count are no part of any accuracy."""


@metric
def figures() -> Metric:
    """Return the official accuracy of all answers and of each group, and how many count."""

    def measure(scores: list[SampleScore]) -> dict[str, float]:
        facts = {str(own.sample_id): own.sample_metadata or {} for own in scores}
        raw = {str(own.sample_id): (own.score.metadata or {}).get("raw") for own in scores}
        if not scores:
            return {"accuracy": float("nan"), "counted": 0}
        first = next(iter(facts.values()))
        items = tuple(_item(id, own) for id, own in facts.items())
        dataset = Dataset(first["task"], first["split"], items, {})
        lines = {id: {"answers": {BASELINE: text}} for id, text in raw.items() if text is not None}
        setting = SettingResult(BASELINE, "", None)
        found = make_results(dataset, lines, [setting], _scores(first["task"], first["reader"]), {})
        return {
            **_named("", found.overall),
            **{
                name: value
                for row in found.groups
                for name, value in _named(f"{row.grouping}: {row.name}", row).items()
            },
        }

    return measure


def _named(name: str, row: Row) -> dict[str, float]:
    if BASELINE not in row.accuracy:
        return {}
    own = row.accuracy[BASELINE]
    return {name: own.value} if name else {"accuracy": own.value, "counted": own.n}


@scorer(metrics=[figures()])
def official() -> Scorer:
    """Score each answer by the rule of its benchmark, after the benchmark's reader."""

    async def score(state: TaskState, target: Target) -> Score:
        del target
        facts, raw = state.metadata, state.output.completion
        item = _item(str(state.sample_id), facts)
        found = _scores(facts["task"], facts["reader"]).answer(item, raw)
        return Score(value=_VALUES[found.correct], answer=found.read, metadata={"raw": raw})

    return score


@cache
def _scores(task: str, reader: str) -> AnswerScores:
    return AnswerScores(task_named(task), reader)


def _item(id: str, facts: Mapping[str, Any]) -> Item:
    """Return an item without its clips, from a sample's metadata."""
    return Item(
        id=id,
        audio=(),
        question="",
        choices=tuple(facts["choices"]),
        answer=facts["answer"],
        groups=facts["groups"],
        record=facts["record"],
    )
