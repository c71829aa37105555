"""Choices in any published form, turned into the plain texts that prompts and scorers use."""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Sequence
from string import ascii_uppercase
from typing import Any

from mata_audio.evaluation.data.question_files import QuestionRow

_LETTERS = ("A", "B", "C", "D")
_PREFIX = re.compile(r"^\([A-Z]\)\s*")
_ANSWER_LETTER = re.compile(r"\(?([A-Za-z])\)?[.:]?(?:\s+(.+))?", re.DOTALL)


def parse_choices(value: Any) -> tuple[str, ...]:
    """Return the choices from a list, or from a string that holds a JSON or Python list.

    None is left out, duplicates are kept, numbers become text.

    Raises:
        ValueError: it is neither a list nor such a string.
    """
    if value is None or value == "":
        return ()
    listed = from_text(value) if isinstance(value, str) else value
    if not isinstance(listed, list | tuple):
        raise ValueError(f"choices are not a list: {value!r}")
    return tuple(str(choice) for choice in listed if choice is not None)


def without_prefixes(
    choices: tuple[str, ...], answer: str | None
) -> tuple[tuple[str, ...], str | None]:
    """Return choices and answer without prefixes such as "(A) ", if every choice has one."""
    if not choices or not all(_PREFIX.match(choice) for choice in choices):
        return choices, answer
    bare = None if answer is None else _PREFIX.sub("", answer)
    return tuple(_PREFIX.sub("", choice) for choice in choices), bare


def choices_and_answer(row: QuestionRow) -> tuple[tuple[str, ...], str | None]:
    """Return a record's ``choices`` and ``answer`` without prefixes; None for a hidden answer.

    Raises:
        DataError: the choices are not a list, or the answer is not text.
    """
    try:
        choices = parse_choices(row.record.get("choices"))
    except ValueError as error:
        raise row.error(str(error)) from error
    hidden = row.record.get("answer") in (None, "")
    return without_prefixes(choices, None if hidden else row.text("answer"))


def own_choices_and_answer(row: QuestionRow) -> tuple[tuple[str, ...], str | None]:
    """Return a record's choices as for :func:`choices_and_answer`, and which of them is the answer.

    Here the answer may also be a choice's letter, and it must be one of the choices if there are
    any.

    Raises:
        DataError: also if prefixes are not in order, or the answer is none of the choices.
    """
    choices, _ = choices_and_answer(row)
    given = parse_choices(row.record.get("choices"))
    if choices != given:
        letters = "".join(choice[1] for choice in given)
        if letters != ascii_uppercase[: len(letters)]:
            raise row.error(f"its choices are lettered {', '.join(letters)}: write A, B, C, ...")
    if not choices or row.record.get("answer") in (None, ""):
        return choices_and_answer(row)
    try:
        return choices, chosen(row.text("answer"), choices)
    except ValueError as error:
        raise row.error(str(error)) from error


def chosen(answer: str, choices: Sequence[str]) -> str:
    """Return the choice that an answer names: by its text, else by its letter.

    Letters are read as in "B", "b", "(B)", "B." and "B. text", but not if a choice is itself a
    single letter.

    Raises:
        ValueError: it names none of the choices, or several.
    """
    if answer in choices:
        return answer
    same = {choice for choice in choices if folded(choice) == folded(answer)}
    letter = _ANSWER_LETTER.fullmatch(answer.strip())
    if letter and not same and not any(len(choice.strip()) == 1 for choice in choices):
        index = ascii_uppercase.index(letter[1].upper())
        named = choices[index : index + 1]
        same = {each for each in named if letter[2] is None or folded(letter[2]) == folded(each)}
    if len(same) == 1:
        return same.pop()
    how = "several" if same else "none"
    raise ValueError(
        f"answer {answer!r} names {how} of the choices {', '.join(map(repr, choices))}: give the "
        "text of one, or its letter"
    )


def folded(text: str) -> str:
    """Return a text without differences of case and space."""
    return " ".join(text.casefold().split())


def lettered_choices(row: QuestionRow) -> tuple[str, ...]:
    """Return a record's ``choice_a`` to ``choice_d``; the last ones may be missing.

    Raises:
        DataError: there is none, or there is a gap, which would shift the letters.
    """
    values = [row.record.get(f"choice_{letter}") for letter in "abcd"]
    given = [value for value in values if value is not None]
    if not given or values[: len(given)] != given:
        has = ", ".join(key for key in row.record if key.startswith("choice_"))
        raise row.error(f"it needs choice_a to choice_d, without gaps; it has {has or 'none'}")
    return tuple(map(str, given))


def with_letter(prediction: str, choices: Sequence[str]) -> str:
    """Return a choice's letter if the prediction is that choice's text, else the prediction.

    A letter stays a letter even if it is the text of a choice: the prompt asks for letters.
    """
    said = prediction.strip().lower()
    texts = [choice.strip().lower() for choice in choices]
    if said not in texts or prediction.strip() in _LETTERS:
        return prediction
    return _LETTERS[texts.index(said)]


def from_text(text: str) -> Any:
    """Return the value that a text holds as JSON or as a Python literal; None if it is neither."""
    try:
        return json.loads(text)
    except ValueError:
        pass
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return None
