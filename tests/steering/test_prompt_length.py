"""``prompt_length``: what it must be, and that no prompt is left unsteered in silence."""

from __future__ import annotations

from typing import Any

import pytest
import torch

from checks import SETTING, assert_close, assert_generated_exactly, greedy
from mata_audio import MATA, PromptLengthError
from reference import Steering
from subject import Subject

QUESTIONS = [("What is this?", [1.0]), ("Which of them is longer?", [0.5]), ("Who?", [1.5])]


@pytest.mark.parametrize("length", [True, "a", 0, -3, 2.5, [5, None], [], [[5, 6]], torch.ones(2)])
def test_what_is_no_length_is_refused(qwen2_audio: Subject, length: Any) -> None:
    with (
        pytest.raises(PromptLengthError, match="must be an int of 1 or more"),
        MATA()(qwen2_audio.model, prompt_length=length),
    ):
        pass


def test_generate_refuses_a_length_beyond_its_prompt(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    tokens = inputs["input_ids"].shape[1]
    with (
        pytest.raises(PromptLengthError, match=f"{tokens + 1} for sample 0.*only {tokens} tokens"),
        MATA()(qwen2_audio.model, prompt_length=tokens + 1),
    ):
        qwen2_audio.model.generate(**inputs, max_new_tokens=2, do_sample=False)


def test_after_a_refused_prompt_the_next_is_steered(qwen2_audio: Subject) -> None:
    long, short = (qwen2_audio.inputs([question]) for question in QUESTIONS[:2])
    tokens = long["input_ids"].shape[1]
    assert tokens > short["input_ids"].shape[1]
    with torch.no_grad(), MATA()(qwen2_audio.model, prompt_length=tokens) as applied:
        with pytest.raises(PromptLengthError):
            qwen2_audio.model.generate(**short, max_new_tokens=2, do_sample=False)
        qwen2_audio.model.generate(**long, max_new_tokens=2, do_sample=False)
    assert applied.receipt.active_rows == 2
    assert len(applied.receipt.audio_tokens) == 1


@pytest.mark.parametrize("side", ["left", "right"])
def test_no_sample_of_a_batch_is_left_out(qwen2_audio: Subject, side: str) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS, side)
    lengths = inputs["attention_mask"].sum(1).tolist()
    lengths[1] += 500
    with (
        pytest.raises(PromptLengthError, match=f"{lengths[1]} for sample 1"),
        torch.no_grad(),
        MATA()(qwen2_audio.model, prompt_length=lengths),
    ):
        qwen2_audio.model(**inputs)


def test_a_prompt_that_is_not_read_to_its_end_is_refused(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    tokens = inputs["input_ids"].shape[1]
    first = {**inputs, "input_ids": inputs["input_ids"][:, :-2]}
    first["attention_mask"] = inputs["attention_mask"][:, :-2]
    with (
        pytest.raises(PromptLengthError, match="read the whole prompt inside the block"),
        torch.no_grad(),
        MATA()(qwen2_audio.model, prompt_length=tokens),
    ):
        qwen2_audio.model(**first, use_cache=True)


def test_a_length_beyond_a_prompt_without_audio_changes_nothing(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs([QUESTIONS[0], ("No clip here.", [])])
    lengths = inputs["attention_mask"].sum(1).tolist()
    with torch.no_grad(), MATA()(qwen2_audio.model, prompt_length=[lengths[0], 500]):
        qwen2_audio.model(**inputs)


def uncached_loop(subject: Subject, inputs: dict[str, torch.Tensor], steps: int) -> Any:
    """Greedy tokens and the logits they were chosen by, each pass over the whole sequence."""
    ids, logits = inputs["input_ids"], []
    for _ in range(steps):
        given = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        with torch.no_grad():
            logits.append(subject.model(**given, use_cache=False).logits[:, -1])
        ids = torch.cat([ids, logits[-1][:, :256].argmax(-1, keepdim=True)], 1)
    return ids[:, inputs["input_ids"].shape[1] :], torch.stack(logits, 1)


@pytest.mark.parametrize("known", [True, False], ids=["with prompt_length", "without"])
def test_a_loop_without_a_cache(subject: Subject, known: bool) -> None:
    """As documented: without ``prompt_length``, only the last row of each pass is active."""
    inputs = subject.inputs(QUESTIONS[:1])
    width = inputs["input_ids"].shape[1]
    with MATA(**SETTING)(subject.model, prompt_length=width if known else None) as applied:
        new, logits = uncached_loop(subject, inputs, 4)
    if known:
        assert_close(logits, subject.expected(inputs, Steering(**SETTING), generated=new))
        return
    assert applied.receipt.active_rows == 4
    for step in range(4):
        active = torch.zeros(1, width + step, dtype=torch.bool)
        active[:, -1] = True
        ids = torch.cat([inputs["input_ids"], new[:, :step]], 1)
        given = {**inputs, "input_ids": ids, "attention_mask": torch.ones_like(ids)}
        expected = subject.expected(given, Steering(**SETTING, rows=active))
        assert_close(logits[:, step], expected[:, -1])


@pytest.mark.parametrize("cached", [True, False])
def test_a_generate_that_was_taken_before_the_block(qwen2_audio: Subject, cached: bool) -> None:
    """Exact with a cache, or with the prompt's length."""
    inputs, generate = qwen2_audio.inputs(QUESTIONS[:1]), qwen2_audio.model.generate
    length = None if cached else inputs["input_ids"].shape[1]
    with MATA(**SETTING)(qwen2_audio.model, prompt_length=length):
        output = generate(**inputs, **greedy(qwen2_audio, use_cache=cached))
    assert_generated_exactly(qwen2_audio, inputs, output, **SETTING)
