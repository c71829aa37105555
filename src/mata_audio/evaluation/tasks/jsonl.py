"""Your own questions: JSON lines with ``id, audio, question``, and optionally choices, answer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

from mata_audio.evaluation.data.choices import own_choices_and_answer
from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.data.question_files import QuestionRow
from mata_audio.evaluation.item import AudioSource, Item
from mata_audio.evaluation.scoring import exact_text, string_match
from mata_audio.evaluation.scoring.record import Record, numbered
from mata_audio.evaluation.task import Grouping
from mata_audio.evaluation.tasks.question_task import QuestionTask


class Jsonl(QuestionTask):
    """A file of questions; ``audio`` is a path relative to the file, or a list of paths."""

    name: ClassVar[str] = "jsonl"
    title: ClassVar[str] = "Own questions"
    layouts: ClassVar[Mapping[str, Sequence[str]]] = {
        "test": ("questions.jsonl", "questions.json", "*.jsonl", "*.json")
    }
    hub: ClassVar[str] = "OWNER/NAME"
    has_open_questions: ClassVar[bool] = True
    groupings: ClassVar[tuple[Grouping, ...]] = (Grouping("category", "Category"),)

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are right.

        Without choices, by exact text. With choices, a prediction that is the text of one is that
        choice; any other is scored by MMAU's rule.
        """
        return [self._outcome(record) for record in numbered(records)]

    def unscored_reason(self, item: Item) -> str | None:
        """Return why an item without an answer is not scored."""
        return "it has no answer" if item.answer is None else None

    def _outcome(self, record: Record) -> bool | None:
        fields = record.fields()
        if self.prediction_key not in fields or not fields.get("answer"):
            return None
        prediction, answer = record.text(self.prediction_key), record.text("answer")
        choices = list(map(str, fields.get("choices") or ()))
        if exact_text.matches(prediction, answer):
            return True
        if not choices or any(exact_text.matches(prediction, choice) for choice in choices):
            return False
        return string_match.matches(prediction, answer, choices)

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        item = super()._item(row, clips)
        if self.never_right(item):
            raise row.error(f"answer {item.answer!r} has nothing to compare: give a word or number")
        for choice in item.choices if item.answer else ():
            if choice != item.answer and exact_text.matches(choice, str(item.answer)):
                raise row.error(
                    f"choice {choice!r} differs from the answer {item.answer!r} only in case or "
                    "punctuation, so that scoring cannot tell them apart: change one"
                )
        return item

    def _choices_and_answer(self, row: QuestionRow) -> tuple[tuple[str, ...], str | None]:
        return own_choices_and_answer(row)

    def _audio(self, row: QuestionRow, clips: Clips) -> tuple[AudioSource, ...]:
        value = row.record.get("audio")
        names = [value] if isinstance(value, str) else value
        if (
            not names
            or not isinstance(names, list)
            or not all(isinstance(name, str) and name for name in names)
        ):
            raise row.error(f"audio must be a path or a list of paths, not {value!r}")
        return tuple(clips.find(name) for name in names)
