"""What a benchmark is: its data, its prompt, its scoring. Each has a file in ``tasks``."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.evaluation.item import Dataset, Item


@dataclass(frozen=True)
class Grouping:
    """A way in which a benchmark splits its items for reporting.

    Args:
        key: key in :attr:`Item.groups`, and field of the question file.
        heading: for tables.
        names: the groups in the benchmark's own order; empty for first-seen order.
    """

    key: str
    heading: str
    names: tuple[str, ...] = ()


class Task(ABC):
    """One benchmark.

    Attributes:
        name: what ``--task`` takes.
        title: for people.
        splits: allowed splits, the default one first.
        groupings: how accuracy is broken down.
        prediction_key: where the official scorer looks for the prediction in a record.
        template: name of the default prompt template.
        reader: name of the default answer reader.
        max_new_tokens: longest answer.
        needs_data: whether ``load`` needs a folder or hub id.
        prediction_format: ``"json"`` (a list) or ``"jsonl"``: what the official scorer reads.
    """

    name: ClassVar[str]
    title: ClassVar[str]
    splits: ClassVar[tuple[str, ...]]
    groupings: ClassVar[tuple[Grouping, ...]]
    prediction_key: ClassVar[str] = "prediction"
    template: ClassVar[str] = "r1-aqa"
    reader: ClassVar[str] = "answer-tag+letter"
    max_new_tokens: ClassVar[int] = 256
    needs_data: ClassVar[bool] = True
    prediction_format: ClassVar[str] = "json"

    @abstractmethod
    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions of one split; audio stays where it is until it is needed.

        Args:
            data: a local folder in the benchmark's published layout, its question file, or a hub
                id; None where the task needs none.
            split: one of :attr:`splits`.

        Raises:
            DataError: files are missing or damaged, a record is not what the benchmark promises.
        """

    def record(self, item: Item, prediction: str) -> dict[str, Any]:
        """Return the item's record with its prediction, as the official scorer takes it."""
        return {**item.record, self.prediction_key: prediction}

    @abstractmethod
    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Say for each record whether its prediction is right; None where it does not count.

        Raises:
            ScoringError: a record that the official scorer would crash on: which one and why.
        """

    def official_output(self, records: Sequence[Mapping[str, Any]]) -> str | None:
        """Return what the official scorer prints; None for a benchmark without one.

        Raises:
            ScoringError: as for :meth:`outcomes`.
        """
        return None

    def unscored_reason(self, item: Item) -> str | None:
        """Return why this item is run and stored but not scored; None for items that are scored."""
        return "the benchmark hides its answer" if item.answer is None else None
