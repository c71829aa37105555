"""Attaching and detaching leave the model exactly as it was, whatever happens."""

from __future__ import annotations

import copy
import gc
import weakref
from typing import Any

import pytest
import torch
import transformers

import models
from checks import QUESTIONS, SETTING, assert_generated_exactly, greedy
from mata_audio import (
    MATA,
    AlreadyAttachedError,
    LegacyAudioTokenError,
    NoAudioError,
    PromptLengthError,
    SettingsError,
    UnsupportedModelError,
)
from mata_audio.doctor.small_models.configs import HIDDEN, MELS
from subject import Subject
from traces import traces


def logits(subject: Subject) -> torch.Tensor:
    with torch.no_grad():
        return subject.model(**subject.inputs(QUESTIONS[:1])).logits


@pytest.mark.parametrize("how", ["forward", "generate", "nothing"])
def test_nothing_is_left_behind(subject: Subject, how: str) -> None:
    before, expected = traces(subject.model), logits(subject)
    inputs = subject.inputs(QUESTIONS)
    with MATA(**SETTING)(subject.model):
        if how == "generate":
            subject.model.generate(**inputs, **greedy(subject))
        elif how == "forward":
            subject.model(**inputs)
    assert traces(subject.model) == before
    assert torch.equal(logits(subject), expected)


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, GeneratorExit])
def test_nothing_is_left_behind_after_an_error(qwen2_audio: Subject, error: type) -> None:
    before, expected = traces(qwen2_audio.model), logits(qwen2_audio)
    inputs = qwen2_audio.inputs(QUESTIONS)

    def fail(*_: Any) -> None:
        raise error("in the middle of generation")

    broken = qwen2_audio.model.model.language_model.layers[2].mlp.register_forward_hook(fail)
    try:
        with pytest.raises(error, match="in the middle"), MATA(**SETTING)(qwen2_audio.model):
            qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    finally:
        broken.remove()
    assert traces(qwen2_audio.model) == before
    assert torch.equal(logits(qwen2_audio), expected)


def test_an_error_in_one_call_does_not_spoil_the_next(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    with MATA(**SETTING)(qwen2_audio.model):
        with pytest.raises(ValueError, match="mel input features to be of length"):
            qwen2_audio.model(**{**inputs, "input_features": torch.zeros(3, MELS, 5)})
        with pytest.raises(ValueError, match="max_new_tokens"):
            qwen2_audio.model.generate(**inputs, max_new_tokens=-1)
        output = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
    assert_generated_exactly(qwen2_audio, inputs, output, **SETTING)


def test_attaching_twice_is_an_error(subject: Subject) -> None:
    with MATA(**SETTING)(subject.model):
        inside = traces(subject.model)
        with pytest.raises(AlreadyAttachedError, match="steered already"):
            MATA(alpha=0.5).attach(subject.model)
        with pytest.raises(AlreadyAttachedError), MATA(alpha=0.0)(subject.model):
            pass
        assert traces(subject.model) == inside
        logits(subject)


def test_a_failed_attach_changes_nothing(subject: Subject) -> None:
    before = traces(subject.model)
    for wrong in ({"layers": "3-4"}, {"heads": [0, 4]}):
        with pytest.raises(SettingsError, match="out of range"):
            MATA(**wrong).attach(subject.model)
    with pytest.raises(PromptLengthError, match="1 or more"):
        MATA().attach(subject.model, prompt_length=0)
    assert traces(subject.model) == before


def test_handle(subject: Subject) -> None:
    before, expected = traces(subject.model), logits(subject)
    handle = MATA(**SETTING).attach(subject.model)
    assert not torch.equal(logits(subject), expected)
    handle.detach()
    handle.detach()
    assert traces(subject.model) == before
    assert torch.equal(logits(subject), expected)
    assert handle.receipt.forward_passes == 1

    with MATA(**SETTING)(subject.model):
        handle.detach()  # an old handle does not detach a new attachment
        assert not torch.equal(logits(subject), expected)


def test_another_wrapper_of_generate_survives(qwen2_audio: Subject) -> None:
    calls: list[str] = []
    original = qwen2_audio.model.generate

    def wrapper(*args: Any, **kwargs: Any) -> Any:
        calls.append("wrapped")
        return original(*args, **kwargs)

    qwen2_audio.model.generate = wrapper
    try:
        with MATA(**SETTING)(qwen2_audio.model):
            qwen2_audio.model.generate(**qwen2_audio.inputs(QUESTIONS), max_new_tokens=1)
        assert qwen2_audio.model.generate is wrapper
    finally:
        del qwen2_audio.model.generate
    assert calls == ["wrapped"]


def test_nested_blocks_on_two_models(qwen2_audio: Subject, omni_thinker: Subject) -> None:
    first, second = SETTING, {"alpha": -0.4, "layers": [0, 3], "formula": "add"}
    inputs = qwen2_audio.inputs(QUESTIONS)
    with MATA(**first)(qwen2_audio.model), MATA(**second)(omni_thinker.model):
        one = qwen2_audio.model.generate(**inputs, **greedy(qwen2_audio))
        two = omni_thinker.model.generate(**inputs, **greedy(omni_thinker))
    assert_generated_exactly(qwen2_audio, inputs, one, **first)
    assert_generated_exactly(omni_thinker, inputs, two, **second)


def test_models_are_not_kept_alive() -> None:
    model = models.qwen2_audio()
    with MATA(on_no_audio="ignore")(model):
        pass
    gone = weakref.ref(model)
    del model
    gc.collect()
    assert gone() is None


def test_receipt(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS)
    with MATA(**SETTING)(subject.model) as applied:
        output = subject.model.generate(**inputs, **greedy(subject, min_new_tokens=6))
        subject.model.generate(**subject.inputs(QUESTIONS[:1]), **greedy(subject))
    receipt = applied.receipt
    steps = len(output.logits) + 6
    assert receipt.forward_passes == steps
    assert receipt.active_rows == 2 * len(output.logits) + 6  # the third sample has no audio
    assert receipt.layers == (1, 2)
    assert receipt.audio_tokens == (25, 29, 0, 25)
    assert str(receipt).splitlines() == [
        "MATA receipt",
        f"  forward passes {steps}",
        f"  active rows    {receipt.active_rows}",
        "  layers         1-2 (2 of 4)",
        "  audio tokens   25, 29, 0, 25",
        f"  audio mass     {receipt.mass_before:.1%} of attention before, "
        f"{receipt.mass_after:.1%} after",
        f"  below zero     {receipt.negative_share:.1%} of audio scores",
    ]


@pytest.mark.parametrize("side", ["left", "right"])
def test_negative_share(qwen2_audio: Subject, side: str) -> None:
    """Compared with scores from the model's own projections at the first steered layer."""
    inputs, model = qwen2_audio.inputs(QUESTIONS, side=side), qwen2_audio.model
    seen: list[torch.Tensor] = []
    with torch.no_grad():
        model.set_attn_implementation("eager")
        hidden = model(**inputs, output_hidden_states=True).hidden_states[1]
        layer = model.model.language_model.layers[1]
        normed = layer.input_layernorm(hidden)
        positions = torch.arange(normed.shape[1])[None]
        cos, sin = model.model.language_model.rotary_emb(normed, positions)
        model.set_attn_implementation("sdpa")
        from transformers.models.qwen2.modeling_qwen2 import apply_rotary_pos_emb

        shape = (*normed.shape[:2], -1, 16)
        query = layer.self_attn.q_proj(normed).view(shape).transpose(1, 2)
        key = layer.self_attn.k_proj(normed).view(shape).transpose(1, 2)
        query, key = apply_rotary_pos_emb(query, key, cos, sin)
        with MATA(alpha=0.1, layers=[1], heads=[0, 3])(model) as applied:
            model(**inputs)
    for sample, length in enumerate(inputs["attention_mask"].sum(1).tolist()):
        row = inputs["attention_mask"][sample].nonzero().flatten()[length - 1]
        audio = inputs["input_ids"][sample] == qwen2_audio.audio_token_id
        for head in (0, 3):
            seen.append(key[sample, head // 2, audio] @ query[sample, head, row])
    scores = torch.cat(seen)
    assert applied.receipt.negative_share == pytest.approx((scores < 0).float().mean().item())


def test_no_audio_is_an_error(subject: Subject) -> None:
    before, inputs = traces(subject.model), subject.inputs(QUESTIONS[2:])
    with pytest.raises(NoAudioError, match="never saw an audio token"), MATA()(subject.model):
        subject.model.generate(**inputs, **greedy(subject))
    assert traces(subject.model) == before
    with MATA(on_no_audio="ignore")(subject.model) as applied:
        subject.model.generate(**inputs, **greedy(subject))
    assert applied.receipt.audio_tokens == (0,)
    assert applied.receipt.active_rows == 0
    assert applied.receipt.negative_share is None
    assert "-" in str(applied.receipt)


def test_no_audio_is_not_checked_without_a_pass(subject: Subject) -> None:
    with MATA()(subject.model):
        pass


def test_an_error_in_the_block_is_not_hidden(subject: Subject) -> None:
    def broken_program() -> None:
        with MATA()(subject.model):  # no audio either, but that is not the error to report
            subject.model.generate(**subject.inputs(QUESTIONS[2:]), max_new_tokens=1)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        broken_program()


def test_inputs_embeds_hide_the_audio(qwen2_audio: Subject) -> None:
    embeds = torch.zeros(1, 5, HIDDEN)
    with pytest.raises(NoAudioError), torch.no_grad(), MATA()(qwen2_audio.model):
        qwen2_audio.model(inputs_embeds=embeds)


def test_prompt_length_beyond_the_sequence(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    with (
        pytest.raises(
            PromptLengthError, match=r"10000 for sample 0, of which only .* were read, so"
        ),
        MATA()(qwen2_audio.model, prompt_length=10_000),
    ):
        qwen2_audio.model(**inputs)
    with (
        pytest.raises(PromptLengthError, match="2 entries, but the batch has 3 samples"),
        MATA()(qwen2_audio.model, prompt_length=[5, 6]),
    ):
        qwen2_audio.model(**qwen2_audio.inputs(QUESTIONS))


def test_legacy_single_audio_token(qwen2_audio: Subject) -> None:
    """Qwen2-Audio's old prompts: the model would insert the audio tokens and shift positions."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    ids = inputs["input_ids"][0]
    audio = ids == qwen2_audio.audio_token_id
    keep = ~audio | (audio.cumsum(0) == 1)
    legacy = {**inputs, "input_ids": ids[keep][None], "attention_mask": torch.ones(1, keep.sum())}
    legacy["attention_mask"] = legacy["attention_mask"].long()
    for run in (qwen2_audio.model, qwen2_audio.model.generate):
        with (
            pytest.raises(LegacyAudioTokenError, match=r"processor\(text=..., audio=..."),
            MATA()(qwen2_audio.model),
        ):
            run(**legacy)


def test_clips_of_one_audio_token(qwen2_audio: Subject) -> None:
    """Transformers mistakes these for legacy prompts and fails without a reason."""
    inputs = qwen2_audio.inputs([("Hm?", [0.04])])
    assert (inputs["input_ids"] == qwen2_audio.audio_token_id).sum() == 1
    with pytest.raises(LegacyAudioTokenError, match="long enough"), MATA()(qwen2_audio.model):
        qwen2_audio.model(**inputs)


def test_unsupported_models() -> None:
    config = transformers.Qwen2Config(
        vocab_size=10, hidden_size=8, num_hidden_layers=1, num_attention_heads=1
    )
    text_model = transformers.Qwen2ForCausalLM(config)
    with pytest.raises(UnsupportedModelError, match=r"qwen2_audio, qwen2_5_omni.*register_family"):
        MATA().attach(text_model)
    with pytest.raises(UnsupportedModelError, match="Linear"):
        MATA().attach(torch.nn.Linear(1, 1))


def test_the_decoder_alone_is_refused(qwen2_audio: Subject) -> None:
    """Called directly, the decoder does not know where the audio is."""
    with (
        pytest.raises(UnsupportedModelError, match="outside the model's own forward"),
        MATA()(qwen2_audio.model),
    ):
        qwen2_audio.model.model.language_model(inputs_embeds=torch.zeros(1, 3, HIDDEN))


def test_our_attention_name_alone_is_refused(qwen2_audio: Subject) -> None:
    model = copy.deepcopy(qwen2_audio.model)
    model.model.language_model.config._attn_implementation_internal = "mata_audio"
    with pytest.raises(UnsupportedModelError, match="cannot be chosen directly"):
        model(**qwen2_audio.inputs(QUESTIONS[:1]))
