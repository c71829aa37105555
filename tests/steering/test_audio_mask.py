"""Audio positions that the user gives: prompts as embeddings, pieces, beams, and wrong masks."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from checks import (
    QUESTIONS,
    SETTING,
    assert_close,
    assert_generated_exactly,
    expected_logits,
    greedy,
    new_tokens,
    using_backend,
)
from mata_audio import MATA, NoAudioError, SettingsError, SettingsTypeError
from reference import Steering, double, full_score_attention
from subject import Subject


def embedded(subject: Subject, inputs: dict[str, Tensor]) -> tuple[dict[str, Tensor], Tensor]:
    """The prompts as ``inputs_embeds``, and where their audio is."""
    seen: list[Tensor] = []
    hook = subject.model.model.language_model.register_forward_pre_hook(
        lambda module, args, kwargs: seen.append(kwargs["inputs_embeds"]), with_kwargs=True
    )
    try:
        with torch.no_grad():
            subject.model(**inputs)
    finally:
        hook.remove()
    audio = inputs["input_ids"] == subject.audio_token_id
    return {"inputs_embeds": seen[0], "attention_mask": inputs["attention_mask"]}, audio


def test_a_prompt_of_embeddings(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    prompt, audio = embedded(qwen2_audio, inputs)
    with MATA(**SETTING)(qwen2_audio.model, audio_mask=audio) as applied:
        output = qwen2_audio.model.generate(**prompt, **greedy(qwen2_audio))
    steered, _ = expected_logits(qwen2_audio, inputs, output.sequences, **SETTING)
    assert_close(torch.stack(output.logits, 1), steered)
    assert applied.receipt.audio_tokens == tuple(audio.sum(1).tolist())


def test_embeddings_beside_their_token_ids(qwen2_audio: Subject) -> None:
    """The ids show where the audio is, and the model reads the embeddings."""
    inputs = qwen2_audio.inputs(QUESTIONS)
    prompt, _ = embedded(qwen2_audio, inputs)
    given = {**prompt, "input_ids": inputs["input_ids"]}
    with MATA(**SETTING)(qwen2_audio.model):
        output = qwen2_audio.model.generate(**given, **greedy(qwen2_audio))
    assert_generated_exactly(qwen2_audio, inputs, output, **SETTING)


def test_beams_of_embeddings(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    prompt, audio = embedded(qwen2_audio, inputs)
    options = greedy(qwen2_audio, num_beams=3, output_logits=False, output_scores=True)
    with MATA(**SETTING)(qwen2_audio.model, audio_mask=audio):
        found = qwen2_audio.model.generate(**prompt, **options)
    with MATA(**SETTING)(qwen2_audio.model):
        expected = qwen2_audio.model.generate(**inputs, **options)
    assert torch.equal(found.sequences, new_tokens(inputs, expected))
    assert_close(found.sequences_scores, expected.sequences_scores)


def test_a_mask_equals_the_audio_token(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS)
    audio = inputs["input_ids"] == subject.audio_token_id
    logits = []
    for mask in (None, audio):
        with MATA(**SETTING)(subject.model, audio_mask=mask):
            output = subject.model.generate(**inputs, **greedy(subject))
        logits.append(torch.stack(output.logits))
    assert torch.equal(*logits)


def test_some_of_the_audio(subject: Subject) -> None:
    """Only the keys in the first half of the clip are changed."""
    inputs = subject.inputs(QUESTIONS[:1])
    audio = inputs["input_ids"] == subject.audio_token_id
    half = audio & (audio.cumsum(1) <= audio.sum() // 2)
    with torch.no_grad():
        with MATA(**SETTING)(subject.model, audio_mask=half):
            found = subject.model(**inputs).logits
        with MATA(**SETTING)(subject.model):
            whole = subject.model(**inputs).logits
        with using_backend(subject.model, "eager"), MATA(**SETTING)(subject.model, audio_mask=half):
            eager = subject.model(**inputs).logits
    assert_close(found, eager)
    active = torch.zeros_like(half)
    active[:, -1] = True
    masks = {"active": active, "keys": half, "real": torch.ones_like(half)}
    twin = double(subject.model, subject.layout)
    with torch.no_grad(), full_score_attention(twin, Steering(**SETTING), **masks):
        assert_close(found, twin(**inputs).logits)
    assert (found - whole).abs().max() > 1e-3


def test_pieces_with_a_prompt_length(qwen2_audio: Subject) -> None:
    """Embeddings fed in two pieces, the first without any of the last rows."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    prompt, audio = embedded(qwen2_audio, inputs)
    width = audio.shape[1]
    cut = int(audio[0].nonzero()[-1]) - 2  # in the middle of the audio
    embeds = prompt["inputs_embeds"]
    with torch.no_grad(), MATA(**SETTING)(qwen2_audio.model):
        expected = qwen2_audio.model(**inputs).logits[:, -1]
    mata = MATA(**SETTING)
    with torch.no_grad(), mata(qwen2_audio.model, prompt_length=width, audio_mask=audio):
        first = qwen2_audio.model(inputs_embeds=embeds[:, :cut], use_cache=True)
        second = qwen2_audio.model(
            inputs_embeds=embeds[:, cut:], past_key_values=first.past_key_values
        )
    assert_close(second.logits[:, -1], expected)


def test_wrong_masks(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    audio = inputs["input_ids"] == qwen2_audio.audio_token_id
    with (
        pytest.raises(
            SettingsError, match=r"audio_mask has the shape \(1, \d+\), but the batch of prompts"
        ),
        MATA(**SETTING)(qwen2_audio.model, audio_mask=audio[:, 1:]),
    ):
        qwen2_audio.model(**inputs)
    with (
        pytest.raises(SettingsTypeError, match="bool tensor of shape"),
        MATA(**SETTING)(qwen2_audio.model, audio_mask=audio[0]),
    ):
        pass
    with (
        pytest.raises(NoAudioError, match="the mask of its prompts marks no audio"),
        MATA(**SETTING)(qwen2_audio.model, audio_mask=torch.zeros_like(audio)),
    ):
        qwen2_audio.model(**inputs)
    assert "generate" not in vars(qwen2_audio.model)
