"""MMAU-Pro: long, spatial and multiple audio, open questions, instructions.

https://github.com/sonalkum/MMAUPro
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, ClassVar

from mata_audio.evaluation.data.choices import parse_choices
from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.data.question_files import QuestionRow
from mata_audio.evaluation.item import AudioSource, Item
from mata_audio.evaluation.scoring import exact_text, instructions
from mata_audio.evaluation.task import Grouping
from mata_audio.evaluation.tasks.question_task import QuestionTask

_JSON = ("mmau-pro.json", "mmau-pro.jsonl", "test.json", "test.jsonl")
OPEN_REASON = (
    "open questions are scored by an LLM judge (Qwen2.5-7B-Instruct in the official script), "
    "which this evaluation does not run"
)


class MmauPro(QuestionTask):
    """MMAU-Pro as published: ``test.parquet`` with ``data.zip``, or unpacked."""

    name: ClassVar[str] = "mmau-pro"
    title: ClassVar[str] = "MMAU-Pro"
    layouts: ClassVar[Mapping[str, Sequence[str]]] = {
        "test": ("test.parquet", "test-0*.parquet", "data/test-0*.parquet", *_JSON)
    }
    hub: ClassVar[str] = "gamma-lab-umd/MMAU-Pro"
    has_open_questions: ClassVar[bool] = True
    groupings: ClassVar[tuple[Grouping, ...]] = (Grouping("category", "Category"),)
    prediction_key: ClassVar[str] = "model_output"

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are right: by exact text, or for instructions by their rules."""
        closed = exact_text.outcomes(records)
        followed = instructions.outcomes(records)
        return [b if a is None else a for a, b in zip(closed, followed, strict=True)]

    def unscored_reason(self, item: Item) -> str | None:
        """Return why an item is not scored: open questions need an LLM judge."""
        category = item.groups["category"]
        if category == instructions.CATEGORY:
            return None
        if category == "open" or len(item.choices) < 2:
            return OPEN_REASON
        return super().unscored_reason(item)

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        if "kwargs" in row.record:
            row = replace(row, record={**row.record, "kwargs": _without_nulls(row)})
        return replace(super()._item(row, clips), groups={"category": row.text("category")})

    def _question(self, row: QuestionRow) -> str:
        # The question may be only in the audio.
        return "" if row.record.get("question") == "" else super()._question(row)

    def _audio(self, row: QuestionRow, clips: Clips) -> tuple[AudioSource, ...]:
        return tuple(row.audio.values()) or _named(row, clips)


def _named(row: QuestionRow, clips: Clips) -> tuple[AudioSource, ...]:
    paths = row.record.get("audio_path")
    if isinstance(paths, str) and not paths.lstrip().startswith("["):
        paths = [paths]
    try:
        names = parse_choices(paths)
    except ValueError:
        names = ()
    if not names:
        raise row.error(f"audio_path must be a path or a list of paths, not {paths!r}")
    return tuple(clips.find(name) for name in names)


def _without_nulls(row: QuestionRow) -> Any:
    """Return an instruction's parameters; parquet gives each row those of all others as null."""
    kwargs = row.record["kwargs"]
    if isinstance(kwargs, str) and kwargs:
        try:
            kwargs = json.loads(kwargs)
        except ValueError as error:
            raise row.error(f"kwargs is not JSON: {error}") from error
    if isinstance(kwargs, dict):
        return {key: value for key, value in kwargs.items() if value is not None}
    return kwargs
