"""Each active row, and no other, is changed, exactly as in the full-score float64 reference."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from checks import (
    QUESTIONS,
    SETTING,
    assert_close,
    each_formula,
    expected_logits,
    generate_exactly,
    greedy,
    prompt_tokens,
    using_backend,
)
from mata_audio import MATA
from reference import Steering
from subject import Subject

LAYERS = SETTING["layers"]


@pytest.fixture(params=["sdpa", "eager"])
def on_backend(request: pytest.FixtureRequest, subject: Subject) -> Subject:
    with using_backend(subject.model, request.param):
        yield subject


@pytest.mark.parametrize("heads", [None, [1, 2]], ids=["all-heads", "some-heads"])
@each_formula
def test_greedy_batch(on_backend: Subject, formula: str, heads: list[int] | None) -> None:
    setting = {**SETTING, "heads": heads, "formula": formula}
    generate_exactly(on_backend, on_backend.inputs(QUESTIONS), setting)


@pytest.mark.parametrize("alpha", [-0.5, 0.1, 3.0])
def test_single_prompt(on_backend: Subject, alpha: float) -> None:
    setting = {"alpha": alpha, "layers": LAYERS}
    generate_exactly(on_backend, on_backend.inputs(QUESTIONS[:1]), setting)


@pytest.mark.parametrize("side", ["left", "right"])
def test_plain_forward_changes_only_the_last_row(on_backend: Subject, side: str) -> None:
    model, inputs = on_backend.model, on_backend.inputs(QUESTIONS, side=side)
    positions = on_backend.layout.positions(inputs)
    with torch.no_grad():
        baseline = model(**inputs, **positions).logits
        with MATA(**SETTING)(model) as applied:
            steered = model(**inputs, **positions).logits
    expected = on_backend.expected(inputs, Steering(**SETTING))
    real = inputs["attention_mask"].bool()
    assert_close(steered[real], expected[real])
    last = torch.zeros_like(real)
    for sample, length in enumerate(prompt_tokens(inputs)):
        slot = real[sample].nonzero().flatten()[length - 1]
        last[sample, slot] = sample != 2  # the third has no audio
    others = real & ~last  # padding after the last row sees it, but nothing reads padding
    assert torch.equal(steered[others], baseline[others])
    assert ((steered - baseline).abs().amax(-1)[last] > 1e-3).all()
    assert applied.receipt.active_rows == 2


@pytest.mark.parametrize("side", ["left", "right"])
@each_formula
def test_teacher_forced(subject: Subject, side: str, formula: str) -> None:
    model, inputs = subject.model, subject.inputs(QUESTIONS, side=side)
    setting = {**SETTING, "formula": formula}
    lengths = [n - answer for n, answer in zip(prompt_tokens(inputs), [9, 4, 6], strict=True)]
    positions = subject.layout.positions(inputs)
    with torch.no_grad(), MATA(**setting)(model, prompt_length=lengths) as applied:
        steered = model(**inputs, **positions).logits
    expected = subject.expected(inputs, Steering(**setting), prompt_tokens=lengths)
    real = inputs["attention_mask"].bool()
    assert_close(steered[real], expected[real])
    assert applied.receipt.active_rows == (9 + 1) + (4 + 1)  # the third has no audio


def test_one_prompt_length_for_all(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    length = prompt_tokens(inputs)[0] - 3
    with torch.no_grad(), MATA(layers=LAYERS)(qwen2_audio.model, prompt_length=length) as one:
        first = qwen2_audio.model(**inputs).logits
    with torch.no_grad(), MATA(layers=LAYERS)(qwen2_audio.model, prompt_length=[length]) as many:
        second = qwen2_audio.model(**inputs).logits
    assert torch.equal(first, second)
    assert one.receipt == many.receipt
    assert one.receipt.active_rows == 4


def test_many_active_rows_are_computed_in_chunks(
    qwen2_audio: Subject, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("mata_audio.steering.layer.MAX_SCORES", 1)
    test_teacher_forced(qwen2_audio, "right", "multiply")


def test_alpha_zero_is_bit_identical(on_backend: Subject) -> None:
    inputs = on_backend.inputs(QUESTIONS)
    untouched = on_backend.model.generate(**inputs, **greedy(on_backend))
    with MATA(alpha=0.0, layers=LAYERS)(on_backend.model) as applied:
        steered = on_backend.model.generate(**inputs, **greedy(on_backend))
    assert torch.equal(torch.stack(untouched.logits), torch.stack(steered.logits))
    assert torch.equal(untouched.sequences, steered.sequences)
    assert applied.receipt.layers == ()
    assert applied.receipt.active_rows == 0


def test_eager_attention_weights_are_the_steered_ones(subject: Subject) -> None:
    model, inputs = subject.model, subject.inputs(QUESTIONS[:1])
    with torch.no_grad(), using_backend(model, "eager"):
        baseline = model(**inputs, output_attentions=True).attentions
        with MATA(alpha=2.0, layers=LAYERS, formula="add")(model):
            steered = model(**inputs, output_attentions=True).attentions
    audio = inputs["input_ids"][0] == subject.audio_token_id
    for layer in range(len(steered)):
        same = layer not in LAYERS
        row, old = steered[layer][0, :, -1], baseline[layer][0, :, -1]
        if layer == LAYERS[0]:  # its input is still the baseline's
            raised = old * torch.where(audio, torch.e**2, 1.0)
            torch.testing.assert_close(row, raised / raised.sum(-1, keepdim=True))
        assert same == torch.equal(row, old) or layer > LAYERS[-1]
        assert torch.equal(steered[layer][0, :, :-1], baseline[layer][0, :, :-1])


def test_bfloat16_within_the_spread_of_the_backends(subject: Subject) -> None:
    """The error is below the unmodified backend's own plus the distance from eager to SDPA."""
    inputs = subject.inputs(QUESTIONS[:2])
    half = copy.deepcopy(subject.model).to(torch.bfloat16)
    logits = {}
    with torch.no_grad():
        for backend in ("eager", "sdpa"):
            half.set_attn_implementation(backend)
            logits[backend] = half(**inputs).logits[:, -1].float()
            with MATA(**SETTING)(half):
                logits["steered " + backend] = half(**inputs).logits[:, -1].float()
    rounded = replace(subject, model=half.float())
    next_token = torch.full((2, 1), 5)
    steered, baseline = (
        part[:, 0] for part in expected_logits(rounded, inputs, next_token, **SETTING)
    )
    for backend in ("eager", "sdpa"):
        own_error = (logits[backend] - baseline).abs().max()
        our_error = (logits["steered " + backend] - steered).abs().max()
        spread = (logits["eager"] - logits["sdpa"]).abs().max()
        assert our_error < own_error + spread
