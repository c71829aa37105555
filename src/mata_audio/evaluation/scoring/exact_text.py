"""MMAU-Pro's closed questions by exact text. This is not the official score.

The official script picks the choice whose NV-Embed-v2 embedding is nearest to the response: it
needs a second model, and every response gets some choice. Here a response is right only if it is
the answer's text, so these figures are lower and compare only with each other.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mata_audio.evaluation.scoring.record import Record, kind, numbered

OTHER_CATEGORIES = ("open", "instruction following")
PREDICTION_KEY = "model_output"
FINAL_PUNCTUATION = ".,;:!?"


def normalised(text: str) -> str:
    """Return a text in lower case, without surrounding space or final punctuation."""
    stripped = text.strip()
    while stripped.endswith(tuple(FINAL_PUNCTUATION)):
        stripped = stripped[:-1].rstrip()
    return stripped.lower()


def matches(prediction: str, answer: str) -> bool:
    """Return whether prediction and answer are the same text once normalised, and not empty."""
    return normalised(prediction) == normalised(answer) != ""


def outcomes(records: Iterable[Any]) -> list[bool | None]:
    """Return whether each record's prediction is the answer's text.

    None if it has no ``model_output``, is of a category without one right choice, or has fewer than
    two choices (the official script leaves those out as well).

    Raises:
        ScoringError: a record whose prediction or answer is not text.
    """
    return [_outcome(record) for record in numbered(records)]


def _outcome(record: Record) -> bool | None:
    fields = record.fields()
    if PREDICTION_KEY not in fields or fields.get("category") in OTHER_CATEGORIES:
        return None
    if len(_choices(record)) < 2:
        return None
    prediction = "" if fields[PREDICTION_KEY] is None else record.text(PREDICTION_KEY)
    return matches(prediction, record.text("answer"))


def _choices(record: Record) -> Any:
    choices = record.fields().get("choices")
    if choices is None:
        return ()
    if not hasattr(choices, "__len__"):  # a list, a tuple or the array of a parquet row
        raise record.error(f"choices must be a list; got {kind(choices)}")
    return choices
