"""What benchmarks in question files share: each record becomes an item."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.errors import ScoringError, UnreachableAnswerWarning
from mata_audio.evaluation.data.choices import (
    choices_and_answer,
    folded,
    lettered_choices,
    with_letter,
)
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

        Warns:
            UnreachableAnswerWarning: the rules score some items' own answers as wrong.
        """
        questions = self._questions(data, split)
        return self._dataset(split, questions, self._items(questions))

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are right, by the benchmark's own rules."""
        return self.rules.outcomes(records)

    def never_right(self, item: Item) -> bool:
        """Return whether the rules score an item, but not its own answer as right."""
        if item.answer is None:
            return False
        replies = [self.record(item, reply) for reply in (item.answer, *item.choices)]
        try:
            right, *others = [self.outcomes([reply])[0] for reply in replies]
        except ScoringError:  # the run will say so
            return False
        return right is False or (right is None and any(other is not None for other in others))

    def _dataset(self, split: str, questions: QuestionFiles, items: Sequence[Item]) -> Dataset:
        scored = [item for item in items if self.unscored_reason(item) is None]
        wrong = [each.id for each in scored if _is_none_of_several(each) or self.never_right(each)]
        if wrong:
            warnings.warn(
                f"{questions.files[0]}: {len(wrong)} of {len(items)} items have an answer that is "
                f"none of their choices or that {self.title}'s rule rejects, the first is "
                f"{wrong[0]}. No choice is right for them; they are scored by that rule all the "
                "same",
                UnreachableAnswerWarning,
                stacklevel=3,
            )
        return dataset(self.name, split, questions, items)

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


def _is_none_of_several(item: Item) -> bool:
    if item.answer is None or len(item.choices) < 2:
        return False
    return folded(item.answer) not in map(folded, item.choices)


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
