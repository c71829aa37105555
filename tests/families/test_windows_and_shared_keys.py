"""Gemma: layers that see a window of keys, layers that share keys, and capped scores."""

from __future__ import annotations

from typing import Any

import pytest
import torch

import checks
from checks import TOLERANCE, assert_close, each_formula, greedy, new_tokens, using_backend
from families.subjects import FamilySubject, subject_of
from families.test_exactness_of_families import assert_generated_exactly, mata
from mata_audio.steering.attention import RowChange, attend_rows
from mata_audio.steering.formulas import KNOCKOUT, change_named
from mata_audio.steering.scaled_keys import key_heads
from reference import Steering


@pytest.fixture(params=["gemma3n", "gemma4"])
def gemma(request: pytest.FixtureRequest) -> FamilySubject:
    return subject_of(request.param)


@pytest.mark.parametrize("layer", range(6))
def test_each_layer_alone(gemma: FamilySubject, layer: int, scaled_layers: set[int]) -> None:
    """Layers 2 and 3 hand their keys to 4 and 5: a gain must stay in its layer."""
    inputs = gemma.small.inputs(gemma.small.questions)
    assert_generated_exactly(gemma, inputs, Steering([layer]))
    # Only layer 1 has a whole cache to itself: 0, 2 and 4 slide, and 3 hands its keys to 5.
    assert scaled_layers == ({1} if layer == 1 else set())


def test_audio_outside_the_window_is_out_of_reach(gemma: FamilySubject) -> None:
    """If a sliding layer no longer sees any audio, nothing changes and nothing breaks."""
    (question, *_) = gemma.small.questions
    far = question._replace(text=question.text + 12)
    inputs = gemma.small.inputs([far])
    plain = gemma.model.generate(**inputs, **greedy(gemma))
    with mata(Steering([0]))(gemma.small.model) as applied:
        steered = gemma.model.generate(**inputs, **greedy(gemma))
    assert_close(torch.stack(steered.logits), torch.stack(plain.logits))
    assert applied.receipt.negative_share is None  # no row sees an audio score


@pytest.mark.parametrize("cache", ["static", "dynamic"])
@pytest.mark.parametrize("formula", ["multiply", "add"])
def test_answers_longer_than_the_window(gemma: FamilySubject, formula: str, cache: str) -> None:
    steering = Steering(gemma.layers, formula=formula)
    inputs = gemma.small.inputs(gemma.small.questions)
    options = greedy(gemma, max_new_tokens=14, cache_implementation=cache, disable_compile=True)
    with mata(steering)(gemma.small.model):
        output = gemma.model.generate(**inputs, **options)
    checks.assert_generated_exactly(gemma, inputs, output, **vars(steering))


def test_heads_that_share_a_key_head_in_only_some_layers(scaled_layers: set[int]) -> None:
    """Gemma 4 has one key head in its full layers and two in the others, as its config says."""
    gemma = subject_of("gemma4")
    heads = [key_heads(layer.self_attn, 4) for layer in gemma.decoder.layers]
    assert heads == [2, 1, 2, 1, 2, 1]
    inputs = gemma.small.inputs(gemma.small.questions)
    assert_generated_exactly(gemma, inputs, Steering([1], heads=[0, 1]))
    assert not scaled_layers


def test_a_pass_that_needs_only_the_last_logits(gemma: FamilySubject) -> None:
    """Gemma 4 then runs the layers that share keys on only the last row."""
    steering = Steering([3, 4, 5])
    inputs = gemma.small.inputs(gemma.small.questions)
    positions = {"position_ids": (inputs["attention_mask"].cumsum(1) - 1).clamp(min=0)}
    for kept in (1, 2, 0):
        with torch.no_grad(), mata(steering)(gemma.small.model) as applied:
            logits = gemma.model(**inputs, **positions, logits_to_keep=kept).logits
        want = gemma.expected(inputs, steering)[:, -kept:]
        real = inputs["attention_mask"].bool()[:, -kept:]
        assert_close(logits[real], want[real])
        assert applied.receipt.active_rows == 2


@each_formula
@pytest.mark.parametrize("model_type", ["qwen2_audio", "gemma3n"])
def test_capped_scores(monkeypatch: pytest.MonkeyPatch, model_type: str, formula: str) -> None:
    """The gain applies to the raw score, before the cap. SDPA has no caps, eager has."""
    subject, cap = subject_of(model_type), 0.5
    gemma = subject_of("gemma3n")
    file: Any = __import__(type(gemma.decoder).__module__, fromlist=["eager_attention_forward"])
    capped_eager = file.eager_attention_forward  # Transformers' own, with a cap
    attention = type(subject.decoder.layers[0].self_attn)
    own: Any = __import__(attention.__module__, fromlist=["eager_attention_forward"])
    monkeypatch.setattr(own, "eager_attention_forward", capped_eager)
    original = attention.forward

    def forward(module: Any, *args: Any, **kwargs: Any) -> Any:
        return original(module, *args, **kwargs, softcap=cap)

    steering = Steering([1, 3], formula=formula)
    inputs = subject.small.inputs(subject.small.questions)
    with using_backend(subject.decoder, "eager"), monkeypatch.context() as patched:
        patched.setattr(attention, "forward", forward)
        with mata(steering)(subject.small.model):
            output = subject.model.generate(**inputs, **greedy(subject))
    generated = new_tokens(inputs, output)
    want, uncapped = (
        subject.expected(inputs, steering, generated=generated, softcap=softcap)
        for softcap in (cap, None)
    )
    assert_close(torch.stack(output.logits, 1), want)
    assert (want - uncapped).abs().max() > 100 * TOLERANCE


def test_a_knocked_out_key_stays_out_under_a_cap() -> None:
    query, key, value = (torch.randn(1, 2, n, 4) for n in (1, 5, 5))
    keys = torch.tensor([[[[False, True, True, False, False]]]])
    attended = attend_rows(
        query,
        key,
        value,
        changes=[RowChange(change_named(KNOCKOUT), keys.float(), keys)],
        masks=None,
        scaling=0.5,
        softcap=2.0,
    )
    assert attended.weights is not None
    assert attended.weights[..., 1:3].eq(0).all()
    torch.testing.assert_close(attended.weights.sum(-1), torch.ones(1, 2, 1))
