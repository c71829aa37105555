"""Tokens that a family or a prompt lacks are refused, and the error names those there are."""

from __future__ import annotations

import re

import pytest

from families.subjects import subject_of
from mata_audio import MATA, NoAudioError, SettingsError, UnsupportedModelError
from mata_audio.cli.options.setting import parse_setting
from mata_audio.doctor.small_models import MODEL_TYPES, VISION_MODEL_TYPES
from mata_audio.families import FAMILIES, locate
from mata_audio.profiling.prompt_reader import check_settings
from mata_audio.settings.named import NamedSetting


@pytest.mark.parametrize("row", FAMILIES, ids=lambda row: row.model_type)
def test_ids_are_those_of_the_prompts(row) -> None:
    subject = subject_of(row.model_type)
    located = locate(subject.small.model)
    assert tuple(located.token_ids) == subject.small.tokens
    for name, token_id in located.token_ids.items():
        ids = subject.small.inputs(subject.small.questions_about(name)[:1])["input_ids"]
        assert (ids == token_id).sum() >= 3
        assert located.ids_of(name) == (token_id,)
    assert located.ids_of(",".join(located.token_ids)) == tuple(located.token_ids.values())


@pytest.mark.parametrize("model_type", VISION_MODEL_TYPES)
def test_a_family_that_only_sees(model_type: str) -> None:
    model = subject_of(model_type).small.model
    words = f'{model_type} model has no audio tokens.*tokens="audio" asks.*it has: tokens="image"'
    with pytest.raises(SettingsError, match=words), MATA()(model):
        pass
    assert "generate" not in vars(model)
    with pytest.raises(UnsupportedModelError, match="cannot be asked about audio"):
        _ = locate(model).audio_token_id


@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_a_family_without_videos_or_images(model_type: str) -> None:
    subject = subject_of(model_type)
    for tokens in {"image", "video"} - set(subject.small.tokens):
        words = re.escape(f'no {tokens} tokens, which tokens="audio,{tokens}" asks for')
        with pytest.raises(SettingsError, match=words):
            MATA(tokens=f"{tokens},audio").attach(subject.small.model)


@pytest.mark.parametrize(
    ("model_type", "tokens", "asked", "words"),
    [
        ("qwen2_5_omni", "image", "audio", r"an image token \(id 103\).*Give the image to the"),
        ("qwen2_5_omni", "video", "audio", r"a video token \(id 104\).*prompts without video"),
        ("gemma4", "audio,image", "video", r"an audio or image token \(id 100 or 103\)"),
        ("llava_onevision", "video", "image", r"a video token"),
    ],
)
def test_prompts_without_what_was_named(
    model_type: str, tokens: str, asked: str, words: str
) -> None:
    subject = subject_of(model_type)
    inputs = subject.small.inputs(subject.small.questions_about(asked))
    setting = MATA(tokens=tokens, layers=[1])
    with pytest.raises(NoAudioError, match=words), setting(subject.small.model):
        subject.model(**inputs)
    with MATA(tokens=tokens, layers=[1], on_no_audio="ignore")(subject.small.model) as applied:
        subject.model(**inputs)
    assert applied.receipt.active_rows == 0
    assert f"{tokens.replace(',', ' or ')} tokens" in str(applied.receipt)


def test_a_mask_stands_for_tokens_of_any_kind() -> None:
    """As documented: a mask marks the keys, and ``tokens`` only names them."""
    subject = subject_of("llava")
    inputs = subject.small.inputs(subject.small.questions[:1])
    mask = inputs["input_ids"] == 103
    mask[:, :5] = False
    with MATA(tokens="image", layers=[1])(subject.model, audio_mask=mask) as applied:
        subject.model(**inputs)
    assert applied.receipt.audio_tokens == (int(mask.sum()),)
    assert 0 < mask.sum() < (inputs["input_ids"] == 103).sum()


def test_a_profile_is_of_audio() -> None:
    located = locate(subject_of("gemma4").small.model)
    setting = NamedSetting("pictures", MATA(tokens="image", layers=[1]))
    with pytest.raises(SettingsError, match=r'pictures changes .* other tokens \(tokens="image"\)'):
        check_settings(located, [setting])


def test_on_the_command_line() -> None:
    setting = parse_setting("alpha=0.2 formula=absolute tokens=image,audio")
    assert setting.method == MATA(alpha=0.2, formula="absolute", tokens="audio,image")
    assert setting.name == "alpha 0.2, tokens audio,image, absolute"
