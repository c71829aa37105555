"""The text of ``mata ask``: what changed in words, first words side by side, attention by word."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest

from mata_audio.asking import Answer, FirstWord, Heard, Word
from mata_audio.cli.asked import (
    asked_text,
    attention_rows,
    change_in_words,
    first_word_rows,
    side_by_side,
)
from mata_audio.cli.terminal import breadth


def answer(
    name: str,
    words: Sequence[str],
    first: dict[str, float],
    shares: Sequence[Sequence[float]] | None = None,
    layers: tuple[int, ...] = (),
) -> Answer:
    """An answer of one token a word; ``shares`` is the attention on two clips, by word."""
    heard = None
    if shares is not None:
        weights = np.zeros((len(words), 3, 2, 2), np.float32)
        weights[:, 1] = np.array(shares, np.float32)[:, None]  # in layer 1, both heads
        heard = Heard(np.array([0, 1]), np.zeros(2), np.ones(2), weights)
    return Answer(
        name=name,
        text="".join(words).strip(),
        tokens=tuple(range(len(words))),
        words=tuple(Word(text, place, place) for place, text in enumerate(words)),
        first_words=tuple(FirstWord(text, value) for text, value in first.items()),
        heard=heard,
        why_not="" if heard else "it says so",
        receipt=None,
        layers=layers,
        seconds=0.1,
    )


def two(
    before: Sequence[str],
    after: Sequence[str],
    first: dict[str, float] = {"A": 0.512, "B": 0.2},  # noqa: B006 - nobody changes it
    then: dict[str, float] = {"A": 0.748, "B": 0.1},  # noqa: B006
) -> tuple[Answer, Answer]:
    return answer("baseline", before, first), answer("MATA", after, then)


@pytest.mark.parametrize(
    ("answers", "said"),
    [
        (
            two(["A"], ["A"]),
            'The answer is the same; its first word "A" went from 51.2 % to 74.8 %.',
        ),
        (
            two(["A"], ["A"], then={"A": 0.51204, "B": 0.3}),
            'The answer is the same; its first word "A" is as likely as before (51.2 %).',
        ),
        (
            two(["A"], ["B"], then={"B": 0.6, "A": 0.3}),
            'The answer changed: its first word was "A" (51.2 %), and is now "B" (60.0 %; before '
            "20.0 %).",
        ),
        (
            two(["A"], ["C"], then={"C": 0.6, "A": 0.3}),
            'The answer changed: its first word was "A" (51.2 %), and is now "C" (60.0 %; before '
            "below 20.0 %).",
        ),
        (
            two(["A", " dog"], ["A", " cat"]),
            'The answer changed at word 2: "dog" became "cat". Its first word "A" went from 51.2 % '
            "to 74.8 %.",
        ),
        (
            two(["A", " dog"], ["A"]),
            'The answer changed at word 2: "dog" became the end. Its first word "A" went from '
            "51.2 % to 74.8 %.",
        ),
        (
            two([], [], {"<|end|>": 0.9}, {"<|end|>": 0.8}),
            'The answer is the same; its first token "<|end|>" went from 90.0 % to 80.0 %.',
        ),
    ],
)
def test_what_changed(answers: tuple[Answer, Answer], said: str) -> None:
    assert change_in_words(*answers) == said


def test_the_attention_that_changed_is_of_the_steered_layers() -> None:
    first = {"A": 0.5, "B": 0.5}
    before = answer("baseline", ["A"], first, [[0.2, 0.1]])
    after = answer("MATA", ["A"], first, [[0.3, 0.2]], layers=(1,))
    ending = " Its attention on audio went from 30.0 % to 50.0 %."
    assert change_in_words(before, after).endswith(ending)
    everywhere = answer("MATA", ["A"], first, [[0.3, 0.2]])  # the other two layers hear nothing
    ending = " Its attention on audio went from 10.0 % to 16.7 %."
    assert change_in_words(before, everywhere).endswith(ending)


def test_first_words_are_aligned_and_those_of_one_answer_bounded() -> None:
    before, after = two(
        ["A"], ["A"], {"A": 0.5, "B": 0.3, " C": 0.02}, {"A": 0.7, "D": 0.2, "B": 0.0}
    )
    lines = asked_text([before, after], clips=1, width=80).splitlines()
    start = next(n for n, line in enumerate(lines) if line.startswith("first words"))
    table = [" ".join(line.replace("#", "").split()) for line in lines[start : start + 5]]
    assert table == [
        "first words baseline MATA",
        "A 50.0 % 70.0 %",
        "B 30.0 % 0.0 %",
        "D < 2.0 % 20.0 %",
        "C 2.0 % < 0.1 %",
    ]
    places = {line.index("%", line.index("%") + 1) for line in lines[start + 1 : start + 5]}
    assert len(places) == 1


def test_of_tokens_that_are_written_alike_the_likeliest_is_shown() -> None:
    """Bytes that are no letter by themselves are all written as the same sign."""
    first = (FirstWord("\ufffd", 0.27), FirstWord("o", 0.16), FirstWord("\ufffd", 0.12))
    answers = [replace(own, first_words=first) for own in two(["\ufffd"], ["\ufffd"])]
    assert first_word_rows(answers) == [("\ufffd", [0.27, 0.27]), ("o", [0.16, 0.16])]
    assert answers[0].likeliest == {"\ufffd": 0.27, "o": 0.16}
    assert "as likely as before (27.0 %)" in change_in_words(*answers)


def test_bars_are_as_long_as_shares() -> None:
    before, after = two(["A"], ["A"], {"A": 0.5, "B": 0.25}, {"A": 1.0, "B": 0.0})
    lines = asked_text([before, after], clips=1, width=100).splitlines()
    (a,) = (line for line in lines if line.startswith("A  ") and "%" in line)
    (b,) = (line for line in lines if line.startswith("B  "))
    half, whole = (part.count("#") for part in a.split("%")[1:])
    assert whole == pytest.approx(2 * half, abs=1)
    assert b.count("#") == pytest.approx(half / 2, abs=1)


def test_attention_is_shown_by_word_then_for_all_of_them_then_by_clip() -> None:
    first = {"A": 0.5, "B": 0.5}
    before = answer("baseline", ["A", " dog", " barks"], first, [[0.2, 0.1], [0.4, 0], [0, 0.2]])
    after = answer("MATA", ["A", " cat"], first, [[0.3, 0.1], [0.5, 0.3]], layers=(1,))
    rows = attention_rows([before, after], clips=2)
    assert [name for name, _ in rows] == [
        '"A"',
        '"dog"',
        '"barks"',
        '"cat"',
        "whole answer",
        "clip 1",
        "clip 2",
    ]
    expected = [
        (0.3, 0.4),
        (0.4, None),
        (0.2, None),
        (None, 0.8),
        (0.3, 0.6),
        (0.2, 0.4),
        (0.1, 0.2),
    ]
    for (_, found), wanted in zip(rows, expected, strict=True):
        assert found == [None if x is None else pytest.approx(x) for x in wanted]


def test_of_a_long_answer_the_first_words_are_shown() -> None:
    long = answer("MATA", [f" w{n}" for n in range(30)], {"w0": 1.0}, [[0.1, 0.1]] * 30, (1,))
    names = [name for name, _ in attention_rows([long], clips=1)]
    assert names == [*(f'"w{n}"' for n in range(12)), "(18 more words)", "whole answer"]


def test_why_no_attention_is_shown() -> None:
    before = answer("baseline", ["A"], {"A": 1.0}, [[0.2, 0.1]])
    after = answer("AAD", ["A"], {"A": 1.0}, layers=(1,))
    text = asked_text([before, after], clips=1, width=80)
    assert "AAD: no attention is shown, as it says so." in text
    assert "baseline: no attention" not in text
    assert '"A"                      30.0 %' in text
    assert "attention on audio went" not in text


@pytest.mark.parametrize("width", [60, 80, 100])
def test_every_line_fits_and_nothing_acts_on_the_terminal(width: int) -> None:
    nasty = ["\x1b[2J", " w" * 80, "\n", " 狗在叫" * 40]
    first = dict(zip(["\x1b]0;x\x07", "狗" * 30, "\n", " "], (0.4, 0.3, 0.2, 0.1), strict=True))
    answers = [answer(n, nasty, first, [[0.2, 0.1]] * 4, (1,)) for n in ("baseline", "M" * 90)]
    text = asked_text(answers, clips=2, width=width)
    assert max(map(breadth, text.splitlines())) <= width
    assert not set(text) & set("\x00\x07\x1b\xa0")
    assert "'\\n'" in text  # a token that is only a line end can be seen


def test_side_by_side_is_safe_and_narrow() -> None:
    text = side_by_side({"baseline": "word " * 60, "MATA": "\x1b[31mred\x1b[0m\n\nend"})
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert side_by_side({"MATA": ""}) == "MATA\n----\n(empty answer)"


def test_wide_letters_keep_columns_in_line() -> None:
    lines = side_by_side({"baseline": "狗在叫" * 30, "MATA": "x " * 100}, 80).splitlines()[2:5]
    assert {breadth(line[: line.index("x")]) for line in lines} == {42}
