"""A cached block that holds a changed row is never shared; blocks before it always are."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from vllm_plugin.asking import CLIP, ENGINE, Question
from vllm_plugin.test_vllm_exactness import MODEL, check

pytest.importorskip("vllm", reason="vLLM is not installed: make test-vllm")

BLOCK = ENGINE["block_size"]
STRONG, OTHER = "alpha=5 layers=0-2", "alpha=-0.9 layers=0-3"
SOUND = ((3, 20_000),)


def prompt(length: int) -> str:
    """Return a prompt of so many tokens: its clip has 31."""
    text = f"w5 w6 {CLIP}"
    return " ".join([text, *(f"w{6 + i % 80}" for i in range(length - 35))])


def test_no_block_with_a_changed_row_is_shared(
    engine: Callable[..., Any], folder: Callable[[str], Path], transformers_answers: Any
) -> None:
    """The last prompt token ends a block, so that the block would be shared if nobody minded."""
    first = prompt(2 * BLOCK)
    longer = f"{first} w7 w8 w9"
    asked = [
        Question(first, SOUND, STRONG),
        Question(first, SOUND, None),
        Question(longer, SOUND, None),
        Question(longer, SOUND, STRONG),
        Question(longer, SOUND, OTHER),
        Question(first, SOUND, STRONG),
    ]
    found = engine(folder(MODEL), *[[own] for own in asked])
    answers = [own for (own,) in found["answers"]]
    assert len(answers[0]["ids"]) == 2 * BLOCK
    check(answers, asked, folder(MODEL), transformers_answers)
    # The unsteered request, third, shares its second block with the steered ones after it.
    assert [own["cached"] for own in answers] == [0, BLOCK, 2 * BLOCK, 2 * BLOCK, 2 * BLOCK, BLOCK]


def test_no_block_of_a_steered_answer_is_shared(
    engine: Callable[..., Any], folder: Callable[[str], Path], transformers_answers: Any
) -> None:
    """A next turn repeats the answer, whose rows are not changed there."""
    start = prompt(2 * BLOCK - 4)
    steered = Question(start, SOUND, STRONG, tokens=BLOCK)
    answer = transformers_answers(folder(MODEL), steered)["tokens"]
    words = transformers_answers.processor(folder(MODEL)).tokenizer.convert_ids_to_tokens(answer)
    turn = " ".join([start, *words, "w7 w8"])
    asked = [steered, Question(turn, SOUND, None), Question(turn, SOUND, STRONG)]
    found = engine(folder(MODEL), *[[own] for own in asked])
    answers = [own for (own,) in found["answers"]]
    assert answers[1]["ids"][: 3 * BLOCK - 4] == [*answers[0]["ids"], *answer]
    check(answers, asked, folder(MODEL), transformers_answers)
    assert answers[1]["cached"] == BLOCK


def test_unsteered_requests_share_all_their_blocks(
    engine: Callable[..., Any], folder: Callable[[str], Path]
) -> None:
    asked = Question(prompt(3 * BLOCK), SOUND, None)
    longer = Question(f"{asked.text} w7 w8", SOUND, None)
    found = engine(folder(MODEL), [asked], [longer])
    assert [own["cached"] for (own,) in found["answers"]] == [0, 3 * BLOCK]
