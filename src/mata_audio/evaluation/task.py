"""What a benchmark is: its data, its prompt and its scoring. Each has a file in ``tasks``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.errors import ScoringError
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.shown.one_line import OneLine, described


@dataclass(frozen=True)
class Grouping(OneLine):
    """One way of breaking a benchmark's accuracy down.

    Args:
        key: key in :attr:`Item.groups`, and field of the question file.
        heading: heading in tables.
        names: the groups in the benchmark's own order; empty for the order they appear in.
    """

    key: str
    heading: str
    names: tuple[str, ...] = ()


@dataclass(frozen=True)
class Predictions:
    """The records of a prediction file, and what the official script prints while reading it."""

    records: list[Any]
    printed: str = ""


@dataclass(frozen=True)
class OfficialScript:
    """A benchmark's own scoring script: same input, same output.

    Args:
        read: reads a prediction file by its path; raises ScoringError if the script would crash.
        output: returns what the script prints for the records, to the byte; raises the same.
    """

    read: Callable[[str], Predictions]
    output: Callable[[Sequence[Any]], str]

    def output_for(self, file: str | Path) -> str:
        """Return all that the script prints for a prediction file.

        Raises:
            ScoringError: a file or a record that the script would crash on.
        """
        predictions = self.read(str(file))
        try:
            return predictions.printed + self.output(predictions.records)
        except ScoringError as error:
            raise ScoringError(f"{file}: {error}") from None


class Task(ABC):
    """One benchmark.

    Attributes:
        name: value of ``--task``.
        title: name shown to people.
        splits: allowed splits, the default one first.
        groupings: how accuracy is broken down.
        prediction_key: the record's field that holds the prediction.
        template: name of the prompt template that the benchmark prescribes; None if each model is
            prompted in its own way.
        reader: name of the default answer reader.
        max_new_tokens: longest answer.
        needs_data: whether ``load`` needs a folder or hub id.
        looks_back: whether an outcome depends on the records before it, so that no record can be
            scored by itself.
        prediction_format: ``"json"`` (a list) or ``"jsonl"``: what the official script reads.
        official_script: None if the benchmark has none, or one that needs a model.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]
    groupings: ClassVar[tuple[Grouping, ...]]
    prediction_key: ClassVar[str] = "prediction"
    template: ClassVar[str | None] = None
    reader: ClassVar[str] = "answer-tag+letter"
    max_new_tokens: ClassVar[int] = 256
    needs_data: ClassVar[bool] = True
    prediction_format: ClassVar[str] = "json"
    looks_back: ClassVar[bool] = False
    official_script: ClassVar[OfficialScript | None] = None

    def __repr__(self) -> str:
        return described(f"Task {self.name}: {self.title}")

    @abstractmethod
    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions of one split; audio is read later, when it is needed.

        Args:
            data: a local folder in the benchmark's published layout, its question file, or a hub
                id; None if the task needs none.
            split: one of :attr:`splits`.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
        """

    def record(self, item: Item, prediction: str) -> dict[str, Any]:
        """Return the item's record with its prediction, as the official script reads it."""
        return {**item.record, self.prediction_key: prediction}

    @abstractmethod
    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return whether each record's prediction is right; None if it does not count.

        Raises:
            ScoringError: a record that the official script would crash on: which one and why.
        """

    def unscored_reason(self, item: Item) -> str | None:
        """Return why this item is run and stored but not scored; None if it is scored."""
        return "the benchmark hides its answer" if item.answer is None else None
