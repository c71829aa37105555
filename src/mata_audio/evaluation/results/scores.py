"""Reading and scoring answers, each of them once."""

from __future__ import annotations

from mata_audio.errors import ScoringError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.results import Answer
from mata_audio.evaluation.scoring.readers import read_answer
from mata_audio.evaluation.task import Task


class AnswerScores:
    """Reads and scores answers one by one, and remembers what it found.

    Args:
        task: the benchmark, which says what is right.
        reader: name of the answer reader.
    """

    def __init__(self, task: Task, reader: str) -> None:
        self.task = task
        self.reader = reader
        self._known: dict[tuple[str, str], Answer] = {}
        self._unscorable: set[tuple[str, str]] = set()

    def answer(self, item: Item, raw: str) -> Answer:
        """Return an answer as it was read, and whether it is right.

        ``correct`` is None if the item is not scored, the answer does not count, or the official
        scorer would stop at it.
        """
        key = (item.id, raw)
        if key not in self._known:
            self._known[key] = self._scored(item, raw)
        return self._known[key]

    def stops_at(self, item: Item, raw: str) -> bool:
        """Whether the official scorer would stop at this answer."""
        self.answer(item, raw)
        return (item.id, raw) in self._unscorable

    def _scored(self, item: Item, raw: str) -> Answer:
        read = read_answer(self.reader, raw, item.choices)
        if self.task.unscored_reason(item) is not None:
            return Answer(raw, read, None)
        try:
            return Answer(raw, read, self.task.outcomes([self.task.record(item, read)])[0])
        except ScoringError:
            self._unscorable.add((item.id, raw))
            return Answer(raw, read, None)
