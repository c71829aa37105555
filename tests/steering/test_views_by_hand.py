"""Several views of one prompt in passes of the user's own: exact, or refused."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from checks import QUESTIONS, assert_close, greedy, prompt_tokens, using_backend
from mata_audio import CacheError, SettingsError
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.method import Method
from mata_audio.notation.rows import PromptRows
from mata_audio.steering.rule import UNHEARD, Rule
from ruled import (
    CONTRAST,
    THREE_VIEWS,
    Inputs,
    Ruled,
    assert_same_logits,
    expected_logits,
    three_views_combined,
)
from subject import Subject
from traces import traces

SMOOTH = Contrast(alpha=4.0, power=1.0, cut=0.0)
"""Without a cut, where the logits jump."""

contrast_or_three = pytest.mark.parametrize(
    "method", [CONTRAST, THREE_VIEWS], ids=["contrast", "three-views"]
)


def active_rows(inputs: Inputs, lengths: list[int]) -> Tensor:
    """Where each prompt's last row and what follows it are, by its number of tokens."""
    mask = inputs["attention_mask"]
    rows: Tensor = mask.bool() & (mask.cumsum(1) >= torch.tensor(lengths)[:, None])
    return rows


@contrast_or_three
@pytest.mark.parametrize("side", ["left", "right"])
def test_only_the_changed_rows_differ(subject: Subject, method: Method, side: str) -> None:
    inputs = subject.inputs(QUESTIONS, side=side)
    positions = subject.layout.positions(inputs)
    before = traces(subject.model)
    with torch.no_grad():
        plain = subject.model(**inputs, **positions).logits
        with method(subject.model) as applied:
            output = subject.model(**inputs, **positions, use_cache=True)
    assert traces(subject.model) == before
    rows = active_rows(inputs, prompt_tokens(inputs))
    expected = expected_logits(subject, inputs, method, rows=rows)
    real = inputs["attention_mask"].bool()
    assert_same_logits(output.logits[real], expected[real])
    rows[2] = False  # it has no audio
    others = real & ~rows
    assert_close(output.logits[others], plain[others])
    assert (
        (output.logits - plain)[rows].nan_to_num(posinf=9, neginf=9).abs().amax(-1) > 1e-2
    ).all()
    assert applied.receipt.active_rows == 2
    for layer in output.past_key_values.layers:
        assert layer.keys.shape[0] == 3
        assert layer.keys.shape[2] == real.shape[1]
    assert "reorder_cache" not in vars(output.past_key_values)


@contrast_or_three
@pytest.mark.parametrize("kept", [1, 3, 0])
def test_an_argument_that_these_models_do_not_know(
    subject: Subject, method: Method, kept: int
) -> None:
    inputs = subject.inputs(QUESTIONS)
    positions = subject.layout.positions(inputs)
    with torch.no_grad(), method(subject.model):
        logits = subject.model(**inputs, **positions, logits_to_keep=kept).logits
    rows = active_rows(inputs, prompt_tokens(inputs))
    assert logits.shape[:2] == rows.shape  # they return all logits, whatever is asked for
    expected, real = expected_logits(subject, inputs, method, rows=rows), inputs["attention_mask"]
    real = real.bool()
    assert_same_logits(logits[real], expected[real])


@contrast_or_three
@pytest.mark.parametrize("side", ["left", "right"])
def test_an_answer_that_is_given_with_its_prompt(
    subject: Subject, method: Method, side: str
) -> None:
    """Teacher-forced scoring: several changed rows, at different places in each sample."""
    inputs = subject.inputs(QUESTIONS, side=side)
    lengths = [n - answer for n, answer in zip(prompt_tokens(inputs), [5, 9, 6], strict=True)]
    positions = subject.layout.positions(inputs)
    with torch.no_grad(), method(subject.model, prompt_length=lengths) as applied:
        logits = subject.model(**inputs, **positions).logits
    expected = expected_logits(
        subject,
        inputs,
        method,
        rows=active_rows(inputs, lengths),
        prompt_tokens=lengths,
    )
    real = inputs["attention_mask"].bool()
    assert_same_logits(logits[real], expected[real])
    assert applied.receipt.active_rows == (5 + 1) + (9 + 1)


@contrast_or_three
def test_a_decoding_loop_by_hand_is_refused(subject: Subject, method: Method) -> None:
    """The returned cache holds the first view only, which is not enough to go on."""
    inputs = subject.inputs(QUESTIONS[:1])
    with torch.no_grad(), method(subject.model):
        cache = subject.model(**inputs, use_cache=True).past_key_values
        with pytest.raises(CacheError, match=r"let generate\(\) write the whole answer"):
            subject.model(input_ids=torch.tensor([[5]]), past_key_values=cache)
    assert {layer.keys.shape[0] for layer in cache.layers} == {1}


@contrast_or_three
def test_pieces_of_an_answer_are_refused(qwen2_audio: Subject, method: Method) -> None:
    """The prompt may come in pieces, and its last row with some answer; more of it may not."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    ids, (width,) = inputs["input_ids"], prompt_tokens(inputs)
    end = int((ids[0] == qwen2_audio.audio_token_id).nonzero().max()) + 1
    length = width - 4
    first = {**inputs, "input_ids": ids[:, :end], "attention_mask": None}
    with torch.no_grad(), method(qwen2_audio.model, prompt_length=length):
        cache = qwen2_audio.model(**first, use_cache=True).past_key_values
        logits = [
            qwen2_audio.model(input_ids=piece, past_key_values=cache).logits
            for piece in (ids[:, end : end + 3], ids[:, end + 3 : width - 2])
        ]
        with pytest.raises(CacheError, match="changed rows of a prompt"):
            qwen2_audio.model(input_ids=ids[:, width - 2 :], past_key_values=cache)
    rows = active_rows(inputs, [length])
    more = {"rows": rows, "prompt_tokens": [length]}
    expected = expected_logits(qwen2_audio, inputs, method, **more)[:, end : width - 2]
    assert_same_logits(torch.cat(logits, 1), expected)


@pytest.mark.parametrize("kind", ["last", "after-audio", "random"])
def test_other_rows_of_the_prompt(subject: Subject, kind: str) -> None:
    """The views part at the first changed row; a row between is the first view's."""
    inputs = subject.inputs(QUESTIONS[:1])
    ids = inputs["input_ids"]
    width, end = ids.shape[1], int((ids[0] == subject.audio_token_id).nonzero().max()) + 1
    places, seed = list(range(end, width)), 0
    if kind == "last":
        places = places[-5:]
    while kind == "random" and (not seed or min(places) < end):  # until all lie after the audio
        seed += 1
        generator = torch.Generator().manual_seed(seed)
        places = torch.randperm(width, generator=generator)[:3].tolist()
    rows = torch.zeros_like(ids, dtype=torch.bool)
    rows[:, places] = True
    which = PromptRows(kind, {"last": 5, "random": 3}.get(kind, 1), seed)
    method = Ruled(Rule(THREE_VIEWS.made.views, three_views_combined, rows=which))
    expected = expected_logits(subject, inputs, method, rows=rows)
    with torch.no_grad(), method(subject.model):
        logits = subject.model(**inputs).logits
        output = subject.model.generate(**inputs, **greedy(subject))
    assert_same_logits(logits, expected)
    generated = output.sequences[:, width:]
    steps = expected_logits(subject, inputs, method, generated, rows=rows)
    assert_same_logits(torch.stack(output.logits, 1), steps)


@pytest.mark.parametrize(
    ("which", "match"),
    [
        (PromptRows("all"), "before the end of the audio"),
        (PromptRows("last", 40), "before the end of the audio"),
    ],
)
def test_rows_that_come_before_the_audio_ends_are_refused(
    subject: Subject, which: PromptRows, match: str
) -> None:
    method = Ruled(Rule(((), UNHEARD), lambda logits: 2 * logits[0] - logits[1], rows=which))
    inputs = subject.inputs(QUESTIONS[:1])
    with method(subject.model), pytest.raises(SettingsError, match=match):
        subject.model.generate(**inputs, **greedy(subject))


def test_padding_on_the_right_of_audio_that_ends_late_is_refused(subject: Subject) -> None:
    """The short prompt's last row lies before the other's audio ends."""
    inputs = subject.inputs([("", [0.1]), ("Longer", [1.9])], side="right")
    with (
        torch.no_grad(),
        CONTRAST(subject.model),
        pytest.raises(SettingsError, match="on the left"),
    ):
        subject.model(**inputs)


@pytest.mark.parametrize(
    "given",
    [
        {"output_attentions": True},
        {"output_hidden_states": True},
        {"labels": torch.ones(1, 9, dtype=torch.long)},
        {"return_dict": False},
        {"logits_to_keep": torch.tensor([3])},
        {"attention_mask": torch.ones(1, 1, 59, 59).bool().tril()},
    ],
    ids=lambda given: next(iter(given)),
)
def test_what_several_views_do_not_have_one_of_is_refused(
    qwen2_audio: Subject, given: dict[str, Any]
) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1]) | given
    with CONTRAST(qwen2_audio.model), pytest.raises(SettingsError, match="is not defined"):
        qwen2_audio.model(**inputs)


@contrast_or_three
def test_an_error_inside_a_pass_leaves_its_cache_whole(subject: Subject, method: Method) -> None:
    """Also a pass of one's own gives the cache back without the other views."""
    inputs = subject.inputs(QUESTIONS[:1])
    with torch.no_grad():
        cache = subject.model(**inputs, use_cache=True).past_key_values
    cache.crop(-1)
    last = subject.layout.decoder_in(subject.model).layers[-1]

    def stop(*_: Any) -> None:
        raise KeyboardInterrupt

    hook = last.register_forward_hook(stop)
    try:
        with torch.no_grad(), method(subject.model) as applied:
            applied.adopt(cache, inputs["input_ids"], inputs["attention_mask"])
            with pytest.raises(KeyboardInterrupt):
                subject.model(input_ids=inputs["input_ids"][:, -1:], past_key_values=cache)
    finally:
        hook.remove()
    assert {layer.keys.shape[0] for layer in cache.layers} == {1}
    assert "reorder_cache" not in vars(cache)


@contrast_or_three
def test_a_cache_that_is_named(subject: Subject, method: Method) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    rows = active_rows(inputs, prompt_tokens(inputs))
    with torch.no_grad():
        cache = subject.model(**inputs, use_cache=True).past_key_values
        cache.crop(-1)
        with method(subject.model) as applied:
            applied.adopt(cache, inputs["input_ids"], inputs["attention_mask"])
            given = {"input_ids": inputs["input_ids"][:, -1:], "past_key_values": cache}
            logits = subject.model(**given).logits
    assert_same_logits(logits, expected_logits(subject, inputs, method, rows=rows)[:, -1:])


def test_a_prompt_without_a_mask_after_another(omni_thinker: Subject) -> None:
    """The model keeps facts of the earlier prompt, which must not move the positions of this."""
    inputs = omni_thinker.inputs(QUESTIONS[:1])
    alone = {name: value for name, value in inputs.items() if name != "attention_mask"}
    with torch.no_grad(), CONTRAST(omni_thinker.model):
        omni_thinker.model.rope_deltas = torch.tensor([[7]])
        inner = getattr(omni_thinker.model, "model", None)
        if hasattr(inner, "rope_deltas"):
            inner.rope_deltas = torch.tensor([[7]])
        logits = omni_thinker.model(**alone).logits
    rows = active_rows(inputs, prompt_tokens(inputs))
    assert_same_logits(logits, expected_logits(omni_thinker, inputs, CONTRAST, rows=rows))


@pytest.mark.parametrize("method", [SMOOTH, THREE_VIEWS], ids=["contrast", "three-views"])
def test_gradients_are_those_of_the_combined_logits(qwen2_audio: Subject, method: Method) -> None:
    """Against differences; the model's norms work in float32 even in a float64 copy."""
    model: Any = copy.deepcopy(qwen2_audio.model).double()
    inputs = qwen2_audio.inputs(QUESTIONS[:2])
    inputs["input_features"] = inputs["input_features"].double()
    weight = model.model.language_model.layers[1].self_attn.v_proj.weight
    random = torch.Generator().manual_seed(0)
    direction = torch.randn(weight.shape, generator=random, dtype=torch.float64)

    def loss() -> Tensor:
        logits: Tensor = model(**inputs).logits[:, -1, :40]
        return logits.square().sum()

    with method(model):
        loss().backward()
        slope = float((weight.grad * direction).sum())
        with torch.no_grad():
            sides = []
            for step in (1e-3, -2e-3):
                weight += step * direction
                sides.append(float(loss()))
    expected = (sides[0] - sides[1]) / 2e-3
    assert slope == pytest.approx(expected, rel=1e-2)
    assert abs(slope) > 1


def test_gradient_checkpointing_is_refused(qwen2_audio: Subject) -> None:
    """It switches the cache off, in which the views meet."""
    model: Any = copy.deepcopy(qwen2_audio.model).train()
    model.gradient_checkpointing_enable()
    with CONTRAST(model), pytest.raises(CacheError, match="switch gradient checkpointing off"):
        model(**qwen2_audio.inputs(QUESTIONS[:1]))


def test_half_precision(qwen2_audio: Subject) -> None:
    """The views are combined in float32, whatever they were computed in."""
    half: Any = copy.deepcopy(qwen2_audio.model).to(torch.bfloat16)
    inputs, logits = qwen2_audio.inputs(QUESTIONS[:2]), {}
    for backend in ("eager", "sdpa"):
        with torch.no_grad(), using_backend(half, backend), THREE_VIEWS(half):
            logits[backend] = half(**inputs).logits[:, -1]
    assert logits["sdpa"].dtype == torch.float32
    rounded = Subject(half.float(), qwen2_audio.processor, qwen2_audio.audio_token_id)
    rows = active_rows(inputs, prompt_tokens(inputs))
    exact = expected_logits(rounded, inputs, THREE_VIEWS, rows=rows)[:, -1]
    for found in logits.values():
        assert (found - exact).abs().max() < 0.05 * exact.abs().max()
        assert not torch.equal(found, found.to(torch.bfloat16).float())
