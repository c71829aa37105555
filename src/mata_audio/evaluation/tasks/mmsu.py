"""MMSU: spoken language, four lettered choices. https://github.com/dingdongwang/MMSU_Bench"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.evaluation.data.choices import lettered_choices, with_letter
from mata_audio.evaluation.data.question_files import (
    Clips,
    QuestionRow,
    dataset,
    find_questions,
    read_rows,
)
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.scoring.letters import MMSU
from mata_audio.evaluation.scoring.prediction_files import mmsu_lines
from mata_audio.evaluation.task import Grouping, OfficialScript, Task

_JSON = ("question/mmsu.jsonl", "mmsu.jsonl", "question/mmsu.json", "mmsu.json")
_LAYOUTS = {"test": (*_JSON, "*.parquet", "data/*.parquet", "default/*/*.parquet")}


class Mmsu(Task):
    """MMSU as published: ``question/mmsu.jsonl`` with ``audio``, or the hub's parquet."""

    name: ClassVar[str] = "mmsu"
    title: ClassVar[str] = "MMSU"
    splits: ClassVar[tuple[str, ...]] = ("test",)
    groupings: ClassVar[tuple[Grouping, ...]] = (
        Grouping("category", "Category"),
        Grouping("sub-category", "Sub-category"),
        Grouping("task_name", "Task"),
    )
    prediction_key: ClassVar[str] = "response"
    prediction_format: ClassVar[str] = "jsonl"
    looks_back: ClassVar[bool] = True  # an empty response takes the letter of the record before
    template: ClassVar[str] = "mmsu"
    reader: ClassVar[str] = "whole"
    official_script: ClassVar[OfficialScript] = OfficialScript(mmsu_lines, MMSU.official_output)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = find_questions(data, split, _LAYOUTS, "ddwang2000/MMSU")
        items = [self._item(row, questions.clips) for row in read_rows(questions)]
        return dataset(self.name, split, questions, items)

    def record(self, item: Item, prediction: str) -> dict[str, Any]:
        """Return the record with its prediction; the text of a choice becomes its letter."""
        return {**item.record, self.prediction_key: with_letter(prediction, item.choices)}

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which responses are right, by MMSU's own rule."""
        return MMSU.outcomes(records)

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        embedded = next(iter(row.audio.values()), None)
        hidden = row.record.get("answer_gt") in (None, "")
        return Item(
            id=row.text("id"),
            audio=(embedded or clips.find(row.text("audio_path")),),
            question=row.text("question"),
            choices=lettered_choices(row),
            answer=None if hidden else row.text("answer_gt"),
            groups=row.groups([grouping.key for grouping in self.groupings]),
            record=dict(row.record),
        )
