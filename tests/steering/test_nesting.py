"""Calls inside ``generate``: each pass and each generation is steered by its own prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch import Tensor
from transformers import DynamicCache, LogitsProcessor

from checks import (
    QUESTIONS,
    SETTING,
    SETTINGS,
    assert_close,
    assert_generated_exactly,
    each_setting,
    greedy,
)
from mata_audio import MATA, CacheError
from reference import Steering
from subject import Subject

OTHERS = [
    ("A question about this clip, longer than the first?", [0.8]),
    ("No clip, but a very long text, longer than any prompt of the batch that has one.", []),
    ("What is this?", [1.0]),
]
"""Prompts that are read inside: longer with audio, longer without, and nearly the same."""


class Calling(LogitsProcessor):
    """Calls a function before each token."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __call__(self, input_ids: Tensor, scores: Tensor) -> Tensor:
        self.function()
        return scores


class CallingStreamer:
    """Calls a function with each token, and once before the model has read anything."""

    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def put(self, value: Tensor) -> None:
        self.function()

    def end(self) -> None:
        self.function()


def inside(where: str, function: Callable[[], Any]) -> dict[str, Any]:
    """Arguments with which ``generate`` calls ``function`` from a callback."""
    if where == "processor":
        return {"logits_processor": [Calling(function)]}
    if where == "criterion":
        return {"stopping_criteria": [lambda ids, scores: _false(function, ids)]}
    return {"streamer": CallingStreamer(function)}


def _false(function: Callable[[], Any], ids: Tensor) -> Tensor:
    function()
    return torch.zeros(ids.shape[0], dtype=torch.bool)


@each_setting
@pytest.mark.parametrize("where", ["processor", "criterion", "streamer"])
@pytest.mark.parametrize("other", OTHERS, ids=["audio", "text", "twin"])
def test_another_prompt_inside(
    subject: Subject, setting: dict[str, Any], where: str, other: tuple[str, list[float]]
) -> None:
    outer, inner = subject.inputs(QUESTIONS[:1]), subject.inputs([other], seed=5)
    expected = subject.expected(inner, Steering(**setting))
    passes, generations = [], []

    def call() -> None:
        with torch.no_grad():
            passes.append(subject.model(**inner).logits)
        generations.append(subject.model.generate(**inner, **greedy(subject, max_new_tokens=2)))

    with MATA(**setting)(subject.model):
        output = subject.model.generate(**outer, **greedy(subject), **inside(where, call))
    assert_generated_exactly(subject, outer, output, **setting)
    assert len(passes) >= len(output.logits)
    for logits in passes:
        assert_close(logits, expected)
    for one in generations[:1]:
        if other[1]:
            assert_generated_exactly(subject, inner, one, **setting)
    for one in generations[1:]:
        assert_close(torch.stack(one.logits), torch.stack(generations[0].logits))


def test_a_loop_of_ones_own_inside(subject: Subject) -> None:
    """A second cache that grows by a token whenever the first one does."""
    outer, inner = subject.inputs(QUESTIONS[:1]), subject.inputs(OTHERS[:1], seed=5)
    state: dict[str, Any] = {"cache": None, "tokens": inner["input_ids"], "logits": []}

    def step() -> None:
        cache = state["cache"]
        given = inner if cache is None else {"input_ids": state["tokens"][:, -1:]}
        with torch.no_grad():
            out = subject.model(**given, past_key_values=cache, use_cache=True)
        state["cache"] = out.past_key_values
        state["logits"].append(out.logits[:, -1])
        chosen = out.logits[:, -1, :256].argmax(-1, keepdim=True)
        state["tokens"] = torch.cat([state["tokens"], chosen], 1)

    with MATA(**SETTING)(subject.model):
        output = subject.model.generate(**outer, **greedy(subject), **inside("processor", step))
    assert_generated_exactly(subject, outer, output, **SETTING)
    new = state["tokens"][:, inner["input_ids"].shape[1] :]
    expected = subject.expected(inner, Steering(**SETTING), generated=new)
    assert_close(torch.stack(state["logits"], 1), expected)


@each_setting
@pytest.mark.parametrize("cached", [True, False])
def test_guidance_with_a_negative_prompt(
    subject: Subject, setting: dict[str, Any], cached: bool
) -> None:
    """The negative prompt has no audio, so its logits are the unsteered model's."""
    inputs, negative = subject.inputs(QUESTIONS[:1]), subject.inputs(OTHERS[1:2])
    guidance = {
        "guidance_scale": 2.0,
        "negative_prompt_ids": negative["input_ids"],
        "negative_prompt_attention_mask": negative["attention_mask"],
        "use_cache": cached,
    }
    options = greedy(subject, output_scores=True, suppress_tokens=None)
    if cached and subject.layout.counts_positions:
        with pytest.raises(RuntimeError, match="shapes cannot be multiplied"):
            subject.model.generate(**inputs, **options, **guidance)
        pytest.skip("Transformers' Omni models fail with a negative prompt, steered or not")
    with MATA(**setting)(subject.model):
        output = subject.model.generate(**inputs, **options, **guidance)
    assert_generated_exactly(subject, inputs, output, **setting)
    new = output.sequences[:, inputs["input_ids"].shape[1] :]
    wanted = subject.expected(inputs, Steering(**setting), generated=new).log_softmax(-1)
    without = subject.expected(negative, Steering([]), generated=new).log_softmax(-1)
    assert_close(torch.stack(output.scores, 1), without + 2.0 * (wanted - without))


def test_the_cache_of_a_running_generation_is_not_shared(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    cache = DynamicCache(config=subject.model.config.get_text_config())

    def again() -> None:
        subject.model.generate(**inputs, past_key_values=cache, max_new_tokens=1)

    options = greedy(subject, past_key_values=cache, **inside("processor", again))
    with pytest.raises(CacheError, match="of its own"), MATA(**SETTING)(subject.model):
        subject.model.generate(**inputs, **options)


calls = st.recursive(
    st.tuples(st.sampled_from(["forward", "generate"]), st.integers(0, 2), st.just(())),
    lambda inner: st.tuples(
        st.just("generate"), st.integers(0, 2), st.lists(inner, min_size=1, max_size=2)
    ),
    max_leaves=4,
)


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(tree=calls, where=st.sampled_from(["processor", "criterion", "streamer"]),
       setting=st.sampled_from(SETTINGS))  # fmt: skip
def test_any_nesting(qwen2_audio: Subject, tree: Any, where: str, setting: Any) -> None:
    """Calls in calls, three deep and more, give what each gives by itself."""
    model: Any = qwen2_audio.model
    prompts = [qwen2_audio.inputs([other], seed=5) for other in OTHERS]

    def run(call: Any) -> None:
        kind, number, inner = call
        if kind == "forward":
            with torch.no_grad():
                assert_close(model(**prompts[number]).logits, alone[number, "forward"])
            return
        more = inside(where, lambda: [run(one) for one in inner]) if inner else {}
        options = greedy(qwen2_audio, max_new_tokens=2, **more)
        output = model.generate(**prompts[number], **options)
        assert_close(torch.stack(output.logits), alone[number, "generate"])

    alone: dict[tuple[int, str], Tensor] = {}
    with MATA(**setting)(model):
        for number, prompt in enumerate(prompts):
            with torch.no_grad():
                alone[number, "forward"] = model(**prompt).logits
            output = model.generate(**prompt, **greedy(qwen2_audio, max_new_tokens=2))
            alone[number, "generate"] = torch.stack(output.logits)
        run(tree)
