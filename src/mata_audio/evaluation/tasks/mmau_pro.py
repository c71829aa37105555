"""MMAU-Pro: long, spatial and multiple audio, open questions, instructions.

https://github.com/sonalkum/MMAUPro
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.evaluation.data.audio_sources import ParquetAudio
from mata_audio.evaluation.data.choices import choices_and_answer, parse_choices
from mata_audio.evaluation.data.question_files import (
    Clips,
    QuestionRow,
    dataset,
    find_questions,
    read_rows,
)
from mata_audio.evaluation.item import AudioSource, Dataset, Item
from mata_audio.evaluation.scoring import exact_text, instructions
from mata_audio.evaluation.task import Grouping, Task

_JSON = ("mmau-pro.json", "mmau-pro.jsonl", "test.json", "test.jsonl")
_LAYOUTS = {"test": ("test.parquet", "test-0*.parquet", "data/test-0*.parquet", *_JSON)}
OPEN_REASON = (
    "open questions are scored by an LLM judge (Qwen2.5-7B-Instruct in the official script), "
    "which this evaluation does not run"
)


class MmauPro(Task):
    """MMAU-Pro as published: ``test.parquet`` with ``data.zip``, or unpacked."""

    name: ClassVar[str] = "mmau-pro"
    title: ClassVar[str] = "MMAU-Pro"
    splits: ClassVar[tuple[str, ...]] = ("test",)
    groupings: ClassVar[tuple[Grouping, ...]] = (Grouping("category", "Category"),)
    prediction_key: ClassVar[str] = "model_output"

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = find_questions(data, split, _LAYOUTS, "gamma-lab-umd/MMAU-Pro")
        items = [self._item(row, questions.clips) for row in read_rows(questions)]
        return dataset(self.name, split, questions, items)

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
        choices, answer = choices_and_answer(row)
        record = {**row.record, "choices": list(choices), "answer": answer or ""}
        if "kwargs" in record:
            record["kwargs"] = _without_nulls(row, record["kwargs"])
        return Item(
            id=row.text("id"),
            audio=_audio(row, clips),
            # The question may be only in the audio.
            question="" if row.record.get("question") == "" else row.text("question"),
            choices=choices,
            answer=answer,
            groups={"category": row.text("category")},
            record=record,
        )


def _audio(row: QuestionRow, clips: Clips) -> tuple[AudioSource, ...]:
    embedded: tuple[ParquetAudio, ...] = tuple(row.audio.values())
    if embedded:
        return embedded
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


def _without_nulls(row: QuestionRow, kwargs: Any) -> Any:
    """Return an instruction's parameters; parquet gives each row those of all others as null."""
    if isinstance(kwargs, str) and kwargs:
        try:
            kwargs = json.loads(kwargs)
        except ValueError as error:
            raise row.error(f"kwargs is not JSON: {error}") from error
    if isinstance(kwargs, dict):
        return {key: value for key, value in kwargs.items() if value is not None}
    return kwargs
