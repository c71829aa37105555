"""MMAR: reasoning over speech, sound, music and mixes. https://github.com/ddlBoJack/MMAR"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.evaluation.data.choices import choices_and_answer
from mata_audio.evaluation.data.question_files import (
    Clips,
    QuestionRow,
    dataset,
    find_questions,
    read_rows,
)
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.scoring.prediction_files import mmar_file
from mata_audio.evaluation.scoring.string_match import MMAR
from mata_audio.evaluation.task import Grouping, OfficialScript, Task

_LAYOUTS = {"test": ("MMAR-meta.jsonl", "MMAR-meta.json")}


class Mmar(Task):
    """MMAR as published: ``MMAR-meta.json`` or ``.jsonl`` with audio or ``mmar-audio.tar.gz``."""

    name: ClassVar[str] = "mmar"
    title: ClassVar[str] = "MMAR"
    splits: ClassVar[tuple[str, ...]] = ("test",)
    groupings: ClassVar[tuple[Grouping, ...]] = (
        *MMAR.fixed,
        Grouping("sub-category", "Sub-category"),
    )
    prediction_key: ClassVar[str] = MMAR.prediction_key
    official_script: ClassVar[OfficialScript] = OfficialScript(mmar_file, MMAR.official_output)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = find_questions(data, split, _LAYOUTS, "BoJack/MMAR")
        items = [self._item(row, questions.clips) for row in read_rows(questions)]
        return dataset(self.name, split, questions, items)

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are right, by MMAR's own rule."""
        return MMAR.outcomes(records)

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        choices, answer = choices_and_answer(row)
        if not choices:
            raise row.error("it has no choices")
        return Item(
            id=row.text("id"),
            audio=(clips.find(row.text("audio_path")),),
            question=row.text("question"),
            choices=choices,
            answer=answer,
            groups=row.groups([grouping.key for grouping in self.groupings]),
            record={**row.record, "choices": list(choices), "answer": answer or ""},
        )
