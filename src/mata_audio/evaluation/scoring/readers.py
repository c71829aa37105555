"""Answer readers: reduce a model's output to the answer that the scorer compares.

Readers are named pure functions, chained with "+": ``answer-tag+letter``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from string import ascii_uppercase
from typing import Final

from mata_audio.errors import TemplateError
from mata_audio.notation.did_you_mean import did_you_mean

Reader = Callable[[str, Sequence[str]], str]

_ANSWER_TAG: Final = re.compile(r"<answer>(.*?)</answer>")
_LEAD: Final = re.compile(
    r"(?:(?:so|thus|therefore|hence)\b,?\s+)?(?:(?:the|my)\s+)?"
    r"(?:(?:final|correct|right|best|most\s+(?:suitable|likely|appropriate))\s+)?"
    r"(?:answer|option|choice)\b(?:\s+is\b)?\s*:?\s*(?:(?:option|choice)\s+)?",
    re.IGNORECASE,
)
# "(B) x", "B. x", "B" and more lines; lower case "b" only if no other word follows on its line.
_FORMS: Final = (
    re.compile(r"\(([A-Za-z])\)[.:]?(.*)", re.DOTALL),
    re.compile(r"([A-Z])[.:)](\s.*)", re.DOTALL),
    re.compile(r"([A-Za-z])[.:)]?([^\S\n]*(?:\n.*)?)", re.DOTALL),
)
_LISTED: Final = re.compile(r"\(([A-Z])\)|^\s*([A-Z])(?:[.:)]\s|[.:)]?\s*$)", re.MULTILINE)
_AFTER_TEXT: Final = re.compile(r"[.,;:!?)\"'*]*(?:\s|$)")


def _answer_tag(raw: str, choices: Sequence[str]) -> str:
    # No DOTALL, as in the original: a tag that spans lines is not found.
    found = _ANSWER_TAG.search(raw)
    return (found[1] if found else raw).strip()


def _final_line(raw: str, choices: Sequence[str]) -> str:
    return raw.strip().rsplit("\n", 1)[-1].strip()


def _whole(raw: str, choices: Sequence[str]) -> str:
    return raw.strip()


def _letter(raw: str, choices: Sequence[str]) -> str:
    """Return the choice that ``raw`` names by letter, else ``raw`` itself.

    Read as B: ``B``, ``(B)``, ``B.``, ``B)``, ``(B) text``, ``B: text``, ``Answer: B``, ``The
    correct answer is (B) text`` and the like. Not read: a letter that begins a phrase ("A woman",
    "C major"), a letter with another choice's text, the first of several ("A. x" and on the next
    line "B. y"), a letter beyond the choices. If the choices are letters themselves (notes, say), a
    letter on its own is the choice with that text.
    """
    plain = raw.replace("**", "").replace("`", "").strip()
    if any(_named_text(text, choices, entire=True) is not None for text in (raw, plain)):
        return raw
    lead = _LEAD.match(plain)
    body = plain[lead.end() :] if lead else plain
    for form in _FORMS:
        found = form.fullmatch(body)
        if found:
            index = _index(found[1], found[2].strip(), body, choices)
            return raw if index is None else choices[index]
    return raw


def _index(letter: str, rest: str, body: str, choices: Sequence[str]) -> int | None:
    own = ascii_uppercase.index(letter.upper())
    listed = {found[1] or found[2] for found in _LISTED.finditer(rest)} - {letter, *choices}
    if any(ascii_uppercase.index(other) < len(choices) for other in listed):
        return None
    named = _named_text(rest, choices, preferred=own)
    if named is not None:
        return named if named == own else None
    for written in (letter, letter.swapcase()):
        if written in choices:
            return list(choices).index(written)
    # "F. Scott Fitzgerald wrote it" begins with a choice, not with a letter.
    if own >= len(choices) or _named_text(body, choices) is not None:
        return None
    return own


def _named_text(
    text: str, choices: Sequence[str], preferred: int = -1, entire: bool = False
) -> int | None:
    """Return the longest choice that ``text`` begins with, or equals; case does not count."""
    text = _normal(text)
    best: tuple[int, bool, int] | None = None
    for index, choice in enumerate(choices):
        start = _normal(choice)
        if not start or not text.startswith(start):
            continue
        after = text[len(start) :]
        if after if entire else not _AFTER_TEXT.match(after):
            continue
        rank = (len(start), index == preferred, -index)
        best = rank if best is None else max(best, rank)
    return None if best is None else -best[2]


def _normal(text: str) -> str:
    return " ".join(text.casefold().split())


READERS: Final[Mapping[str, Reader]] = {
    "answer-tag": _answer_tag,
    "letter": _letter,
    "final-line": _final_line,
    "whole": _whole,
}
"""``answer-tag``: content of the first ``<answer>`` tag within a line, else everything (R1-AQA's
rule, https://github.com/xiaomi-research/r1-aqa, src/test_mmau.py). ``letter``: the choice that the
output names by letter, else the output unchanged. ``final-line``: the last line that is not blank.
``whole``: everything. All but ``letter`` strip surrounding space."""


def check_reader(reader: str) -> None:
    """Check the name of a reader, or of a chain of them.

    Raises:
        TemplateError: a name in it is unknown.
    """
    for name in reader.split("+"):
        if name not in READERS:
            hint = did_you_mean(name, READERS)
            raise TemplateError(
                f"no answer reader {name!r} (in {reader!r}){hint}; allowed: "
                f"{', '.join(READERS)}, or several of them joined with +"
            )


def read_answer(reader: str, raw: str, choices: Sequence[str]) -> str:
    """Return the answer in a model's output.

    Args:
        reader: a key of :data:`READERS`, or several joined with "+", applied left to right.
        raw: the model's output.
        choices: the item's choices, without prefixes.

    Raises:
        TemplateError: as for :func:`check_reader`.
    """
    check_reader(reader)
    for name in reader.split("+"):
        raw = READERS[name](raw, choices)
    return raw
