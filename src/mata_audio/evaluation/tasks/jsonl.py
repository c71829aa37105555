"""Your own questions: JSON lines with ``id, audio, question``, and optionally choices, answer."""

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
from mata_audio.evaluation.item import AudioSource, Dataset, Item
from mata_audio.evaluation.scoring import exact_text, string_match
from mata_audio.evaluation.scoring.record import Record, numbered
from mata_audio.evaluation.task import Grouping, Task

_LAYOUTS = {"test": ("questions.jsonl", "questions.json", "*.jsonl", "*.json")}


class Jsonl(Task):
    """A file of questions; ``audio`` is a path relative to the file, or a list of paths."""

    name: ClassVar[str] = "jsonl"
    title: ClassVar[str] = "Own questions"
    splits: ClassVar[tuple[str, ...]] = ("test",)
    groupings: ClassVar[tuple[Grouping, ...]] = (Grouping("category", "Category"),)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions.

        Raises:
            DataError: the file is missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = find_questions(data, split, _LAYOUTS, "OWNER/NAME")
        items = [self._item(row, questions.clips) for row in read_rows(questions)]
        return dataset(self.name, split, questions, items)

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are right: MMAU's rule with choices, exact text without."""
        return [self._outcome(record) for record in numbered(records)]

    def unscored_reason(self, item: Item) -> str | None:
        """Return why an item without an answer is not scored."""
        return "it has no answer" if item.answer is None else None

    def _outcome(self, record: Record) -> bool | None:
        fields = record.fields()
        if self.prediction_key not in fields or not fields.get("answer"):
            return None
        prediction, answer = record.text(self.prediction_key), record.text("answer")
        if fields.get("choices"):
            return string_match.matches(prediction, answer, map(str, fields["choices"]))
        return exact_text.matches(prediction, answer)

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        choices, answer = choices_and_answer(row)
        return Item(
            id=row.text("id"),
            audio=_audio(row, clips),
            question=row.text("question"),
            choices=choices,
            answer=answer,
            groups=row.groups(["category"]),
            record={**row.record, "choices": list(choices), "answer": answer or ""},
        )


def _audio(row: QuestionRow, clips: Clips) -> tuple[AudioSource, ...]:
    value = row.record.get("audio")
    names = [value] if isinstance(value, str) else value
    if not names or not isinstance(names, list) or not all(isinstance(n, str) and n for n in names):
        raise row.error(f"audio must be a path or a list of paths, not {value!r}")
    return tuple(clips.find(name) for name in names)
