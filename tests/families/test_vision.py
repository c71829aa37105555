"""Images and videos are steered as exactly as audio, in every family that sees them."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest
import torch

from checks import TOLERANCE, assert_close, greedy
from families.layouts import LAYOUTS
from families.subjects import FamilySubject, subject_of
from families.test_exactness_of_families import (
    assert_generated_exactly,
    assert_same_alone,
    mata,
    read_exactly,
)
from families.test_one_prefill_of_families import assert_one_prefill_is_enough
from mata_audio import MATA
from mata_audio.doctor.small_models import small_model
from mata_audio.families import FAMILIES
from mata_audio.settings.named import NamedSetting
from reference import Steering, double

SIGHTS = [
    (row.model_type, tokens)
    for row in FAMILIES
    for tokens in row.tokens
    if tokens in ("image", "video")
]

each_sight = pytest.mark.parametrize(("model_type", "tokens"), SIGHTS)
two_formulas = pytest.mark.parametrize("formula", ["multiply", "absolute"])


def test_the_small_models_get_every_kind_of_token_of_their_family() -> None:
    for row in FAMILIES:
        assert subject_of(row.model_type).small.tokens == tuple(row.tokens)


def shown(model_type: str, tokens: str, side: str = "left") -> tuple[FamilySubject, dict[str, Any]]:
    """A family and prompts about pictures: with one, with two, and with none."""
    subject = subject_of(model_type)
    return subject, subject.small.inputs(subject.small.questions_about(tokens), side)


@pytest.mark.parametrize("rows", ["last", "all"])
@pytest.mark.parametrize("side", ["left", "right"])
@two_formulas
@each_sight
def test_reading_a_prompt(model_type: str, tokens: str, formula: str, side: str, rows: str) -> None:
    subject, inputs = shown(model_type, tokens, side)
    steering = Steering(subject.layers, formula=formula, tokens=tokens, rows=rows)
    read = read_exactly(subject, inputs, steering)
    untouched = read.real & (~read.last if rows == "last" else (torch.arange(3) == 2)[:, None])
    steered, baseline = read.steered[untouched], read.baseline[untouched]
    if rows == "all" and "moe" in model_type:  # experts multiply the tokens of all samples at once
        assert_close(steered, baseline)
    else:
        assert torch.equal(steered, baseline)
    assert read.receipt.active_rows == (2 if rows == "last" else int(read.real[:2].sum()))
    assert f"{tokens} tokens" in str(read.receipt)


@two_formulas
@each_sight
def test_cached_generation(model_type: str, tokens: str, formula: str) -> None:
    subject, inputs = shown(model_type, tokens)
    steering = Steering(subject.layers, formula=formula, tokens=tokens)
    assert_generated_exactly(subject, inputs, steering)


@each_sight
def test_a_sample_is_the_same_alone(model_type: str, tokens: str) -> None:
    assert_same_alone(subject_of(model_type), tokens)


@each_sight
def test_multiply_decodes_on_scaled_keys(
    model_type: str, tokens: str, scaled_layers: set[int]
) -> None:
    subject, inputs = shown(model_type, tokens)
    with mata(Steering(subject.layers, tokens=tokens))(subject.small.model):
        subject.model.generate(**inputs, **greedy(subject))
    assert scaled_layers == ({1} if "gemma" in model_type else set(subject.layers))


@each_sight
def test_one_prefill_gives_the_answers_of_separate_runs(model_type: str, tokens: str) -> None:
    """Even if a model stores the offset between a prompt's positions and its slots."""
    subject = subject_of(model_type)
    how: dict[str, Any] = {"layers": subject.layers, "formula": "add", "tokens": tokens}
    settings = [
        NamedSetting("more", MATA(alpha=20.0, **how)),
        NamedSetting("less", MATA(alpha=-20.0, **how)),
    ]
    assert_one_prefill_is_enough(subject, subject.small.questions_about(tokens)[1], settings)


NAMED = ["audio", "image", "video", "audio,image", "audio,image,video"]


@pytest.mark.parametrize(
    ("model_type", "tokens"),
    [
        *(
            (row, tokens)
            for row in ("qwen2_5_omni", "qwen3_omni_moe", "gemma4")
            for tokens in NAMED
        ),
        *(("phi4_multimodal", tokens) for tokens in NAMED if "video" not in tokens),
    ],
)
def test_only_the_tokens_that_are_named(model_type: str, tokens: str) -> None:
    """A prompt with a clip and pictures of each kind: every choice of tokens has its own effect."""
    subject = subject_of(model_type)
    small = subject.small
    seen = {
        field: [pictures.tokens[1]]
        for field, pictures in (("images", small.images), ("videos", small.videos))
        if pictures is not None
    }
    questions = [question._replace(**seen) for question in small.questions_about("audio")[:2]]
    inputs = small.inputs(questions)
    steering = Steering(subject.layers, tokens=tokens)
    assert_generated_exactly(subject, inputs, steering)
    with mata(steering)(small.model) as applied, torch.no_grad():
        subject.model(**inputs)
    counts = {"audio": "clips", "image": "images", "video": "videos"}
    assert applied.receipt.audio_tokens == tuple(
        sum(sum(getattr(question, counts[name])) for name in tokens.split(","))
        for question in questions
    )
    others = {"audio", "image"} - set(tokens.split(","))
    for other in others:
        there = subject.expected(inputs, steering)
        elsewhere = subject.expected(inputs, Steering(subject.layers, tokens=other))
        assert (there - elsewhere).abs().max() > 100 * TOLERANCE


@pytest.mark.parametrize("rows", ["last", "all"])
def test_larger_gemma_4_in_which_images_look_ahead(rows: str) -> None:
    """Only in its sliding layers, unlike Gemma 3.

    In float64: one image row of this random model loses four digits in any float32 computation.
    """
    small = replace(small_model("gemma4"), types="mm_token_type_ids")
    model: Any = small.model.double()
    model.config.text_config.use_bidirectional_attention = "vision"
    layout = replace(LAYOUTS["gemma4"], mutual=(0, 2, 4))
    subject = FamilySubject(small, model, double(model, layout), layout, [0, 1, 2, 3, 5])
    steering = Steering(subject.layers, tokens="image", rows=rows)
    inputs = small.inputs(small.questions_about("image"))
    inputs["pixel_values"] = inputs["pixel_values"].double()
    with torch.no_grad(), mata(steering)(model):
        steered = model(**inputs, **layout.positions(inputs)).logits
    real = inputs["attention_mask"].bool()
    want = subject.expected(inputs, steering)[real]
    assert_close(steered[real], want)
    ahead = replace(subject, layout=LAYOUTS["gemma4"]).expected(inputs, steering)[real]
    assert (want - ahead).abs().max() > 100 * TOLERANCE
    if rows == "last":
        assert_generated_exactly(subject, inputs, steering)


def test_the_setting_of_pai() -> None:
    """Pay Attention to Image (arXiv 2407.21771): A + alpha |A| on the image's keys."""
    subject, inputs = shown("llava", "image")
    steering = Steering([1, 2, 3], alpha=0.2, formula="absolute", tokens="image")
    assert_generated_exactly(subject, inputs, steering)
