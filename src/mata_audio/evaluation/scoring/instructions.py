"""MMAU-Pro's questions on following instructions: does the response have the requested form?

The official script: https://github.com/sonalkum/MMAUPro
(``evaluate_mmau_pro_comprehensive.py``). Its rules are kept unchanged, even the lenient ones.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from importlib import import_module
from numbers import Number, Real
from typing import Any

from mata_audio.errors import ScoringError
from mata_audio.evaluation.scoring.record import Record, kind, numbered

CATEGORY = "instruction following"
PREDICTION_KEY = "model_output"


def outcomes(records: Iterable[Any]) -> list[bool | None]:
    """Return whether each record's response follows the instruction.

    None if the record is of another category or has no ``model_output``.

    Raises:
        ScoringError: a record that the official script would crash on, or NLTK is needed but
            missing.
    """
    return [_outcome(record) for record in numbered(records)]


def follows(response: str, task_identifier: Any, kwargs: Any, prompt: Any = "") -> bool:
    """Return whether a response follows an instruction; an unknown one counts as not followed.

    Args:
        response: the model's answer.
        task_identifier: name of the instruction.
        kwargs: the instruction's parameters: an object, its JSON text, or None.
        prompt: the question, which "Repeat Prompt" requires repeated.

    Raises:
        ScoringError: a parameter cannot be used, or NLTK is needed but missing.
    """
    rule = _RULES.get(task_identifier) if isinstance(task_identifier, str) else None
    return rule is not None and bool(rule(response, _Parameters(kwargs, prompt)))


def _outcome(record: Record) -> bool | None:
    fields = record.fields()
    if fields.get("category") != CATEGORY or PREDICTION_KEY not in fields:
        return None
    asked = (fields.get("task_identifier"), fields.get("kwargs"), fields.get("question", ""))
    try:
        return follows(str(fields[PREDICTION_KEY]), *asked)
    except ScoringError as error:
        raise record.error(str(error)) from error


@dataclass(frozen=True)
class _Parameters:
    """An instruction's parameters; a missing one has the official script's default."""

    kwargs: Any
    prompt: Any

    def get(self, name: str, default: Any) -> Any:
        content = self.kwargs
        if isinstance(content, str) and content:
            try:
                content = json.loads(content)
            except (ValueError, RecursionError):
                content = self.kwargs
        if isinstance(content, Mapping):
            return content.get(name, default)
        if content is None or (isinstance(content, (str, list, tuple, Number)) and not content):
            return default
        raise ScoringError(f"kwargs must be an object or its JSON text; got {kind(content)}")

    def text(self, name: str) -> str:
        return _text(f"kwargs.{name}", self.get(name, ""))

    def number(self, name: str, default: int = 0) -> Any:
        value = self.get(name, default)
        if not isinstance(value, Real):
            raise ScoringError(f"kwargs.{name} must be a number; got {kind(value)}")
        return value


def _text(name: str, value: Any) -> str:
    if not isinstance(value, str):
        raise ScoringError(f"{name} must be text; got {kind(value)}")
    return value


Rule = Callable[[str, _Parameters], Any]
CountFunction = Callable[[str], int]


def _exactly(count: CountFunction) -> Rule:
    return lambda response, given: count(response) == given.get("N", 0)


def _at_least(count: CountFunction) -> Rule:
    return lambda response, given: count(response) >= given.number("N")


def _at_most(count: CountFunction) -> Rule:
    return lambda response, given: count(response) <= given.number("N")


def _between(count: CountFunction) -> Rule:
    def rule(response: str, given: _Parameters) -> bool:
        amount = count(response)
        # As in the official script: below the lower limit, a bad upper limit does no harm.
        return bool(given.number("N1") <= amount and amount <= given.number("N2", 999))

    return rule


def _found(pattern: str) -> CountFunction:
    return lambda response: len(re.findall(pattern, response))


def _words(response: str) -> int:
    return len(response.split())


def _capital_words(response: str) -> int:
    return sum(map(str.isupper, response.split()))


def _paragraphs(response: str) -> int:
    return sum(1 for paragraph in response.split("***") if paragraph.strip())


def _sentences(response: str) -> int:
    try:
        return len(import_module("nltk.tokenize").sent_tokenize(response))
    except ImportError as error:
        raise ScoringError(
            "counting sentences needs NLTK, which is not installed: run `pip install nltk` and "
            "`python -m nltk.downloader punkt_tab`"
        ) from error
    except LookupError as error:
        raise ScoringError(
            "counting sentences needs NLTK's punkt_tab data, which is not installed: run "
            "`python -m nltk.downloader punkt_tab`"
        ) from error


def _has_keywords(response: str, given: _Parameters) -> bool:
    said = response.lower()
    return all(word.lower() in said for word in given.text("keywords").split(", "))


def _has_no_forbidden_word(response: str, given: _Parameters) -> bool:
    said = response.lower()
    return not any(word.lower() in said for word in given.text("forbidden_words").split(", "))


def _repeats_keyword(response: str, given: _Parameters) -> Any:
    keyword = re.escape(given.text("keyword").lower())
    return _found(rf"\b{keyword}\b")(response.lower()) == given.get("N", 0)


def _has_postscript(response: str, given: _Parameters) -> bool:
    return _letters(given.text("postscript_marker")) in _letters(response)


def _starts_with_phrase(response: str, given: _Parameters) -> bool:
    return _letters(response, " ").startswith(_letters(given.text("start_phrase"), " "))


def _ends_with_phrase(response: str, given: _Parameters) -> bool:
    return _letters(response, " ").endswith(_letters(given.text("end_phrase"), " "))


def _letters(text: str, kept: str = "") -> str:
    return re.sub(rf"[^a-zA-Z{kept}]", "", text).lower()


def _has_sections(response: str, given: _Parameters) -> Any:
    splitter = re.escape(given.text("section_splitter"))
    sections = re.split(rf"\s*{splitter}\s*", response.strip())
    return sum(1 for section in sections if section.strip()) == given.get("N", 0)


def _repeats_prompt(response: str, given: _Parameters) -> bool:
    prompt = _text("question", given.prompt)
    return response.strip().lower().startswith(prompt.strip().lower())


def _is_two_responses(response: str, given: _Parameters) -> bool:
    parts = [part.lower().strip() for part in response.split("******")]
    return len(parts) == 2 and parts[0] != parts[1]


def _is_quoted(response: str, given: _Parameters) -> bool:
    return response.strip().startswith('"') and response.strip().endswith('"')


_RULES: dict[str, Rule] = {
    "Include Keywords": _has_keywords,
    "Keyword Frequency": _repeats_keyword,
    "Forbidden Words": _has_no_forbidden_word,
    "Number Paragraphs": _exactly(_paragraphs),
    "Number Words (at least)": _at_least(_words),
    "Number Words (at most)": _at_most(_words),
    "Number Words (range)": _between(_words),
    "Number Sentences (at least)": _at_least(_sentences),
    "Number Sentences (at most)": _at_most(_sentences),
    "Number Sentences (range)": _between(_sentences),
    "Postscript": _has_postscript,
    "Number Placeholder": _at_least(_found(r"\[[^\]]+\]")),
    "Number Bullets": _exactly(_found(r"(?:^|\n)\s*\*\s+")),
    "Title": lambda response, given: re.search(r"<<[^>]+>>", response),
    "Minimum Number Highlighted Section": _at_least(_found(r"\*([^*]+)\*")),
    "Multiple Sections": _has_sections,
    "Repeat Prompt": _repeats_prompt,
    "Two Responses": _is_two_responses,
    "All Uppercase": lambda response, given: response.isupper(),
    "All Lowercase": lambda response, given: response.islower(),
    "All-capital Words (at least)": _at_least(_capital_words),
    "All-capital Words (at most)": _at_most(_capital_words),
    "All-capital Words (range)": _between(_capital_words),
    "Start Checker": _starts_with_phrase,
    "End Checker": _ends_with_phrase,
    "Quotation": _is_quoted,
    "No Commas": lambda response, given: "," not in response,
}
