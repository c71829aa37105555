"""One question of a benchmark, and the source of its audio."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

from mata_audio.shown.one_line import OneLine


class AudioSource(Protocol):
    """A clip that can be read as the bytes of an audio file."""

    @property
    def name(self) -> str:
        """The clip's name in the question file; for people."""

    @property
    def place(self) -> str:
        """What is really read: a path relative to the data's folder; empty if it is no file."""

    def read(self) -> bytes:
        """Return the file's content.

        Raises:
            AudioError: the clip is missing or cannot be read.
        """


@dataclass(frozen=True)
class Item(OneLine):
    """One question about one or more clips.

    Args:
        id: unique within its dataset.
        audio: the clips, in order.
        question: as in the question file.
        choices: without prefixes such as "(A) "; empty for open questions.
        answer: the right answer; None if the benchmark hides it.
        groups: the item's group by key of grouping; groupings that do not apply are left out.
        record: the item's record in the question file, which the official script reads.
    """

    id: str
    audio: tuple[AudioSource, ...]
    question: str
    choices: tuple[str, ...]
    answer: str | None
    groups: Mapping[str, str] = field(default_factory=dict)
    record: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Dataset(OneLine):
    """The items of one split, in the question file's order.

    Args:
        task: name of the task.
        split: one of the task's splits.
        items: at least one, with unique ids.
        files: sha256 of each question file, by file name.
        version: name of this release of the data; None if it is unknown.
    """

    task: str
    split: str
    items: tuple[Item, ...]
    files: Mapping[str, str]
    version: str | None = None
