"""The rule of MMAU and MMAR: the answer's words are there, and no wrong choice's own words.

The official scripts: https://github.com/Sakshi113/MMAU (``evaluation.py``) and
https://github.com/ddlBoJack/MMAR (``code/evaluation.py``).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from mata_audio.errors import ScoringError
from mata_audio.evaluation.scoring.record import Record, kind, numbered

RULER = "*" * 30


def words(text: str) -> frozenset[str]:
    """Return the distinct words of a text, in lower case."""
    return frozenset(re.findall(r"\b\w+\b", text.lower()))


def matches(prediction: str, answer: str, choices: Iterable[str]) -> bool:
    """Say whether a prediction is right.

    It must hold every word of the answer and none that only wrong choices have.
    """
    said, wanted = words(prediction), words(answer)
    if not said or not wanted <= said:
        return False
    return all(said.isdisjoint(words(choice) - wanted) for choice in choices)


@dataclass
class Count:
    """Right answers among those of a group."""

    correct: int = 0
    total: int = 0

    def add(self, correct: bool) -> None:
        """Count one more answer."""
        self.correct += correct
        self.total += 1

    @property
    def percent(self) -> float:
        """Share of right answers; 0 for an empty group."""
        return self.correct / self.total * 100 if self.total else 0.0


@dataclass(frozen=True)
class FixedGroups:
    """A field whose values are known beforehand and all printed, in this order."""

    key: str
    heading: str
    names: tuple[str, ...]

    def name_of(self, record: Record) -> str:
        """Return the record's group.

        Raises:
            ScoringError: the field is missing, or holds none of the names.
        """
        value = record.require(self.key)
        if value in self.names:
            return str(value)
        got = ascii(value) if isinstance(value, str) else kind(value)
        raise record.error(f"{self.key} must be one of {', '.join(self.names)}; got {got}")


@dataclass(frozen=True)
class StringMatchFormat:
    """What sets one benchmark with this rule apart from another.

    Args:
        prediction_key: field of the prediction; a record without it is left out.
        fixed: the groupings with known groups, in printed order.
        open_key: field of the last grouping, whose groups are those found, first seen first.
        open_heading: its printed heading.
    """

    prediction_key: str
    fixed: tuple[FixedGroups, ...]
    open_key: str = "sub-category"
    open_heading: str = "Sub-category"

    def outcomes(self, records: Iterable[Any]) -> list[bool | None]:
        """Say for each record whether its prediction is right; None where it has none.

        Raises:
            ScoringError: a record that the official script would crash on.
        """
        return [None if scored is None else scored.correct for scored in self._scored(records)]

    def official_output(self, records: Iterable[Any]) -> str:
        """Return what the official script prints, to the byte.

        Raises:
            ScoringError: a record that the official script would crash on, or nothing to score.
        """
        total = Count()
        fixed = [{name: Count() for name in groups.names} for groups in self.fixed]
        found: dict[Any, Count] = {}
        for scored in filter(None, self._scored(records)):
            total.add(scored.correct)
            for counts, name in zip(fixed, scored.fixed, strict=True):
                counts[name].add(scored.correct)
            if scored.open is not None:
                found.setdefault(scored.open, Count()).add(scored.correct)
        if not total.total:
            raise ScoringError(
                f"no record has the field {self.prediction_key}, so there is nothing to score"
            )
        lines: list[str] = []
        for groups, counts in zip(self.fixed, fixed, strict=True):
            lines += _section(groups.heading, counts)
        lines += _section(self.open_heading, found)
        lines += [RULER, f"Total Accuracy: {total.percent:.2f}% over {total.total} samples"]
        # The official scripts skip a record without prediction before they would count it.
        lines += [RULER, "No prediction count: 0", ""]
        return "\n".join(lines)

    def _scored(self, records: Iterable[Any]) -> Iterator[_Scored | None]:
        return (self._score(record) for record in numbered(records))

    def _score(self, record: Record) -> _Scored | None:
        if self._has_no_prediction(record):
            return None
        prediction, answer = record.text(self.prediction_key), record.text("answer")
        return _Scored(
            matches(prediction, answer, self._choices(record)),
            tuple(groups.name_of(record) for groups in self.fixed),
            record.group(self.open_key, record.fields().get(self.open_key)),
        )

    def _has_no_prediction(self, record: Record) -> bool:
        if isinstance(record.content, (str, list, tuple)):
            # "in" works on these as well, so the official scripts skip most of them.
            return self.prediction_key not in record.content
        return self.prediction_key not in record.fields()

    def _choices(self, record: Record) -> Sequence[str]:
        choices = record.require("choices")
        if not words(record.text(self.prediction_key)):
            return ()  # nothing was said: the official scripts do not look at the choices
        if not isinstance(choices, (str, list, tuple, Mapping)):
            raise record.error(f"choices must be a list of texts; got {kind(choices)}")
        for place, choice in enumerate(choices, start=1):
            if not isinstance(choice, str):
                raise record.error(f"choice {place} must be text; got {kind(choice)}")
        return tuple(choices)


@dataclass(frozen=True)
class _Scored:
    correct: bool
    fixed: tuple[str, ...]
    open: Any


def _section(heading: str, counts: Mapping[Any, Count]) -> list[str]:
    rows = [
        f"{name} : {count.percent:.2f}% over {count.total} samples"
        for name, count in counts.items()
    ]
    return [RULER, f"{heading}-wise Accuracy:", *rows]


MMAU = StringMatchFormat(
    prediction_key="model_output",
    fixed=(
        FixedGroups("task", "Task", ("sound", "music", "speech")),
        FixedGroups("difficulty", "Difficulty", ("easy", "hard", "medium")),
    ),
)

MMAR = StringMatchFormat(
    prediction_key="answer_prediction",
    fixed=(
        FixedGroups(
            "modality",
            "Modality",
            (
                "sound",
                "music",
                "speech",
                "mix-sound-music",
                "mix-sound-speech",
                "mix-music-speech",
                "mix-sound-music-speech",
            ),
        ),
        FixedGroups(
            "category",
            "Category",
            ("Signal Layer", "Perception Layer", "Semantic Layer", "Cultural Layer"),
        ),
    ),
)
