"""From the tokens of an answer to its words."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from typing import Any

from mata_audio.asking.answer import Word

_UNFINISHED = "\ufffd"
"""What decoding gives for a character of which some bytes are still to come."""


def words_of(tokenizer: Any, tokens: Sequence[int]) -> tuple[Word, ...]:
    """Return the words of an answer, each with the tokens that it is made of.

    A word starts at a token after or with a space; in scripts without spaces, at every token that
    can be read by itself. Together they are the answer's text. Tokens without text belong to the
    next word.

    Args:
        tokenizer: the processor's.
        tokens: of the answer; special ones have no text.
    """
    words: list[Word] = []
    text, first = "", 0
    for place in range(len(tokens)):
        sofar = tokenizer.decode(tokens[: place + 1], skip_special_tokens=True)
        if sofar.endswith(_UNFINISHED) and place + 1 < len(tokens):
            continue
        new = sofar[len(text) :]
        if not new:
            continue
        if words and not _starts_word(text, new):
            words[-1] = Word(words[-1].text + new, words[-1].first, place)
        else:
            words.append(Word(new, first, place))
        text, first = sofar, place + 1
    return tuple(words)


def _starts_word(before: str, new: str) -> bool:
    if new.isspace() or not before.strip():
        return False
    return (
        before[-1].isspace()
        or new[0].isspace()
        or _is_wide(new[0])
        or (_is_wide(before[-1]) and new[0].isalnum())
    )


def _is_wide(character: str) -> bool:
    """Whether a character is of a script that is written without spaces, as Chinese is."""
    return unicodedata.east_asian_width(character) in "WF" and character.isalpha()
