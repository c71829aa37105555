"""The words of an answer are its text, cut where a reader would cut it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

import models
from mata_audio.asking.words import words_of

TOKENIZER = models.tokenizer()  # every byte is a token


def cut(text: str) -> list[str]:
    tokens = TOKENIZER(text, add_special_tokens=False).input_ids
    return [word.text.strip() for word in words_of(TOKENIZER, tokens)]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a dog barks.", ["a", "dog", "barks."]),
        ("(A) two  beeps\nthen rain", ["(A)", "two", "beeps", "then", "rain"]),
        (" begins late", ["begins", "late"]),
        ("狗在叫。", ["狗", "在", "叫。"]),
        ("a 狗barks", ["a", "狗", "barks"]),
        ("é à", ["é", "à"]),
        ("", []),
    ],
)
def test_where_words_begin(text: str, expected: list[str]) -> None:
    assert cut(text) == expected


@given(st.text(alphabet="ab .,\n狗叫é🎵", max_size=12))
def test_words_hold_the_whole_text_and_every_token_once(text: str) -> None:
    tokens = TOKENIZER(text, add_special_tokens=False).input_ids
    words = words_of(TOKENIZER, tokens)
    assert "".join(word.text for word in words) == TOKENIZER.decode(tokens)
    covered = [place for word in words for place in range(word.first, word.last + 1)]
    assert covered == list(range(len(tokens)))


def test_tokens_without_text_belong_to_the_next_word() -> None:
    """Special tokens inside an answer, and a character that was cut off."""
    tokens = TOKENIZER("a", add_special_tokens=False).input_ids
    special = TOKENIZER.convert_tokens_to_ids("<|im_start|>")
    words = words_of(TOKENIZER, [special, *tokens])
    assert [(word.text, word.first, word.last) for word in words] == [("a", 0, 1)]
    half = TOKENIZER("狗", add_special_tokens=False).input_ids[:2]
    assert words_of(TOKENIZER, [*tokens, *half])[-1].text.endswith("\ufffd")
