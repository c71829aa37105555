"""The rule of MMAU and MMAR: every word of the answer, and none that only wrong choices have.

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
from mata_audio.evaluation.task import Grouping

RULER = "*" * 30
SUB_CATEGORY = Grouping("sub-category", "Sub-category")
"""The last grouping of all; its groups are printed in the order they appear."""


def words(text: str) -> frozenset[str]:
    """Return the distinct words of a text, in lower case."""
    return frozenset(re.findall(r"\b\w+\b", text.lower()))


def matches(prediction: str, answer: str, choices: Iterable[str]) -> bool:
    """Return whether a prediction is right.

    It must hold every word of the answer, and no word that only wrong choices have.
    """
    said, wanted = words(prediction), words(answer)
    if not said or not wanted <= said:
        return False
    return all(said.isdisjoint(words(choice) - wanted) for choice in choices)


@dataclass(frozen=True)
class StringMatchFormat:
    """Where benchmarks that share this rule differ.

    Args:
        prediction_key: field that holds the prediction; a record without it is skipped.
        fixed: groupings with known groups, in printed order; empty groups are printed too.
    """

    prediction_key: str
    fixed: tuple[Grouping, ...]

    @property
    def groupings(self) -> tuple[Grouping, ...]:
        """All groupings, in printed order."""
        return (*self.fixed, SUB_CATEGORY)

    def outcomes(self, records: Iterable[Any]) -> list[bool | None]:
        """Return whether each record's prediction is right; None if it has none.

        Raises:
            ScoringError: a record that the official script would crash on.
        """
        return [None if scored is None else scored.correct for scored in self._scored(records)]

    def official_output(self, records: Iterable[Any]) -> str:
        """Return what the official script prints, to the byte.

        Raises:
            ScoringError: a record that the official script would crash on, or nothing to score.
        """
        total: list[bool] = []
        counts: list[dict[Any, list[bool]]] = [
            {name: [] for name in g.names} for g in self.groupings
        ]
        for scored in filter(None, self._scored(records)):
            total.append(scored.correct)
            for groups, name in zip(counts, scored.groups, strict=True):
                if name is not None:
                    groups.setdefault(name, []).append(scored.correct)
        if not total:
            raise ScoringError(
                f"no record has the field {self.prediction_key}, so there is nothing to score"
            )
        lines: list[str] = []
        for grouping, groups in zip(self.groupings, counts, strict=True):
            lines += [RULER, f"{grouping.heading}-wise Accuracy:"]
            lines += [f"{name} : {_accuracy(outcomes)}" for name, outcomes in groups.items()]
        lines += [RULER, f"Total Accuracy: {_accuracy(total)}"]
        # The official scripts skip a record without a prediction before counting it.
        lines += [RULER, "No prediction count: 0", ""]
        return "\n".join(lines)

    def _scored(self, records: Iterable[Any]) -> Iterator[_Scored | None]:
        return (self._score(record) for record in numbered(records))

    def _score(self, record: Record) -> _Scored | None:
        if self._has_no_prediction(record):
            return None
        prediction, answer = record.text(self.prediction_key), record.text("answer")
        correct = matches(prediction, answer, self._choices(record))
        fixed = [_group_of(record, grouping) for grouping in self.fixed]
        last = record.group(SUB_CATEGORY.key, record.fields().get(SUB_CATEGORY.key))
        return _Scored(correct, (*fixed, last))

    def _has_no_prediction(self, record: Record) -> bool:
        if isinstance(record.content, (str, list, tuple)):
            # "in" works on these as well, so the official scripts skip most of them.
            return self.prediction_key not in record.content
        return self.prediction_key not in record.fields()

    def _choices(self, record: Record) -> Sequence[str]:
        choices = record.require("choices")
        if not words(record.text(self.prediction_key)):
            return ()  # for an empty prediction, the official scripts do not look at the choices
        if not isinstance(choices, (str, list, tuple, Mapping)):
            raise record.error(f"choices must be a list of texts; got {kind(choices)}")
        for place, choice in enumerate(choices, start=1):
            if not isinstance(choice, str):
                raise record.error(f"choice {place} must be text; got {kind(choice)}")
        return tuple(choices)


@dataclass(frozen=True)
class _Scored:
    correct: bool
    groups: tuple[Any, ...]


def _group_of(record: Record, grouping: Grouping) -> str:
    value = record.require(grouping.key)
    if value in grouping.names:
        return str(value)
    got = ascii(value) if isinstance(value, str) else kind(value)
    raise record.error(f"{grouping.key} must be one of {', '.join(grouping.names)}; got {got}")


def _accuracy(outcomes: Sequence[bool]) -> str:
    """Return the share of right answers as printed; 0 for an empty group."""
    share = sum(outcomes) / len(outcomes) if outcomes else 0.0
    return f"{share * 100:.2f}% over {len(outcomes)} samples"


MMAU = StringMatchFormat(
    prediction_key="model_output",
    fixed=(
        Grouping("task", "Task", ("sound", "music", "speech")),
        Grouping("difficulty", "Difficulty", ("easy", "hard", "medium")),
    ),
)

MMAR = StringMatchFormat(
    prediction_key="answer_prediction",
    fixed=(
        Grouping(
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
        Grouping(
            "category",
            "Category",
            ("Signal Layer", "Perception Layer", "Semantic Layer", "Cultural Layer"),
        ),
    ),
)
