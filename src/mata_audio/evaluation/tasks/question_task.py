"""What benchmarks in question files share: each record becomes an item."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.evaluation.data.choices import choices_and_answer, lettered_choices, with_letter
from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.data.question_files import (
    QuestionFiles,
    QuestionRow,
    dataset,
    find_questions,
    read_rows,
)
from mata_audio.evaluation.item import AudioSource, Dataset, Item
from mata_audio.evaluation.scoring.letters import LetterFormat
from mata_audio.evaluation.scoring.string_match import StringMatchFormat
from mata_audio.evaluation.task import Task


class QuestionTask(Task):
    """A benchmark in question files, with ``choices`` and ``answer`` in each record.

    Attributes:
        layouts: glob patterns of each split's question files; the first that matches is used.
        hub: hub id, in which ``{split}`` is the name of the split.
        hub_files: glob pattern of the files to download from the hub; None for all.
        id_key: the record's field that holds its id.
        audio_key: the record's field that names its audio.
        has_open_questions: whether a record may have no choices.
        rules: the official script's rules; tasks without have their own ``outcomes``.
    """

    splits: ClassVar[tuple[str, ...]] = ("test",)
    layouts: ClassVar[Mapping[str, Sequence[str]]]
    hub: ClassVar[str]
    hub_files: ClassVar[str | None] = None
    id_key: ClassVar[str] = "id"
    audio_key: ClassVar[str] = "audio_path"
    has_open_questions: ClassVar[bool] = False
    rules: ClassVar[StringMatchFormat | LetterFormat]

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions of one split.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = self._questions(data, split)
        return dataset(self.name, split, questions, self._items(questions))

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are right, by the benchmark's own rules."""
        return self.rules.outcomes(records)

    def _questions(self, data: str | Path | None, split: str) -> QuestionFiles:
        hub = self.hub.format(split=split)
        return find_questions(data, split, self.layouts, hub, self.hub_files)

    def _items(self, questions: QuestionFiles) -> list[Item]:
        return [self._item(row, questions.clips) for row in read_rows(questions)]

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        choices, answer = self._choices_and_answer(row)
        return Item(
            id=row.text(self.id_key),
            audio=self._audio(row, clips),
            question=self._question(row),
            choices=choices,
            answer=answer,
            groups=row.groups([grouping.key for grouping in self.groupings]),
            record={**row.record, "choices": list(choices), "answer": answer or ""},
        )

    def _choices_and_answer(self, row: QuestionRow) -> tuple[tuple[str, ...], str | None]:
        choices, answer = choices_and_answer(row)
        if not choices and not self.has_open_questions:
            raise row.error("it has no choices")
        return choices, answer

    def _audio(self, row: QuestionRow, clips: Clips) -> tuple[AudioSource, ...]:
        """Return the clip in a parquet row, else the one that the record names."""
        embedded = next(iter(row.audio.values()), None)
        return (embedded or clips.find(row.text(self.audio_key)),)

    def _question(self, row: QuestionRow) -> str:
        return row.text("question")


class LetterTask(QuestionTask):
    """Records hold ``choice_a`` to ``choice_d`` and ``answer_gt``; the answer is a letter."""

    prediction_key: ClassVar[str] = "response"
    prediction_format: ClassVar[str] = "jsonl"
    reader: ClassVar[str] = "whole"

    def record(self, item: Item, prediction: str) -> dict[str, Any]:
        """Return the record with its prediction; the text of a choice becomes its letter."""
        return super().record(item, with_letter(prediction, item.choices))

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        return replace(super()._item(row, clips), record=dict(row.record))

    def _choices_and_answer(self, row: QuestionRow) -> tuple[tuple[str, ...], str | None]:
        hidden = row.record.get("answer_gt") in (None, "")
        return lettered_choices(row), None if hidden else row.text("answer_gt")
