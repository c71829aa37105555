"""Qwen2-Audio, Qwen3-ASR, and Qwen's Omni models (whole, and only the thinker)."""

from __future__ import annotations

from typing import Any

import transformers

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import (
    DECODER,
    ENCODER,
    HEAD_DIM,
    HIDDEN,
    QWEN2,
    QWEN3,
    QWEN_EYE,
    ROPE,
    VISION_MARKS,
)
from mata_audio.doctor.small_models.mel_features import mel_features
from mata_audio.doctor.small_models.pixels import patches
from mata_audio.doctor.small_models.small_model import Pictures, SmallModel, built, hearing

_FRAMES = 100
_MARKS = {
    **VISION_MARKS,
    "audio_start_token_id": vocabulary.AUDIO_START,
    "audio_end_token_id": vocabulary.AUDIO_END,
    "user_token_id": vocabulary.BOS,
    "pad_token_id": vocabulary.PAD,
}
_SOUND = {**ENCODER, "max_source_positions": _FRAMES, "output_dim": HIDDEN}
_NAMES = ("input_features", "feature_attention_mask")


def qwen2_audio() -> SmallModel:
    """Qwen2-Audio: four mel frames make one audio token."""
    config = transformers.Qwen2AudioConfig(
        audio_config={**ENCODER, "max_source_positions": _FRAMES // 2},
        text_config=QWEN2,
        audio_token_index=vocabulary.AUDIO,
    )
    config.pad_token_id = vocabulary.PAD
    model = built(transformers.Qwen2AudioForConditionalGeneration, config)
    features = mel_features(lambda tokens: 4 * tokens, width=_FRAMES, names=_NAMES)
    return SmallModel("qwen2_audio", model, features)


def qwen2_5_omni_thinker() -> SmallModel:
    """The part of Qwen2.5-Omni that listens and answers in text."""
    model = built(transformers.Qwen2_5OmniThinkerForConditionalGeneration, _omni_thinker())
    return _omni("qwen2_5_omni_thinker", model, 4)


def qwen2_5_omni() -> SmallModel:
    """Qwen2.5-Omni as one checkpoint, without its voice."""
    config = transformers.Qwen2_5OmniConfig(
        thinker_config=_omni_thinker().to_dict(), enable_audio_output=False
    )
    model = built(transformers.Qwen2_5OmniForConditionalGeneration, config)
    return _omni("qwen2_5_omni", model, 4)


def qwen3_omni_moe_thinker() -> SmallModel:
    """The part of Qwen3-Omni that listens and answers in text: experts, query and key norms."""
    model = built(transformers.Qwen3OmniMoeThinkerForConditionalGeneration, _moe_thinker())
    return _omni("qwen3_omni_moe_thinker", model, 8)


def qwen3_omni_moe() -> SmallModel:
    """Qwen3-Omni as one checkpoint, without its voice."""
    config = transformers.Qwen3OmniMoeConfig(
        thinker_config=_moe_thinker().to_dict(), enable_audio_output=False
    )
    model = built(transformers.Qwen3OmniMoeForConditionalGeneration, config)
    return _omni("qwen3_omni_moe", model, 8)


def qwen3_asr() -> SmallModel:
    """Qwen3-ASR: Qwen3 with query and key norms under a windowed encoder."""
    sound = {**ENCODER, "output_dim": HIDDEN, "n_window": 50, "downsample_hidden_size": 8}
    ends = {"pad_token_id": vocabulary.PAD, "eos_token_id": vocabulary.EOS}
    model = hearing(transformers.Qwen3ASRForConditionalGeneration, sound, QWEN3, **ends)
    return SmallModel("qwen3_asr", model, mel_features(lambda n: 8 * n, width=_FRAMES))


def _omni(name: str, model: Any, frames: int) -> SmallModel:
    """Return the small model of an Omni family, which takes audio, images and videos.

    ``frames`` mel frames make one audio token.
    """
    patch = getattr(model, "thinker", model).config.vision_config.patch_size
    videos = patches("video", steps=2, seconds="video_second_per_grid", patch=patch)
    return SmallModel(
        name,
        model,
        mel_features(lambda tokens: frames * tokens, names=_NAMES),
        images=Pictures(patches("image", patch=patch), (3, 6)),
        videos=Pictures(videos, (4, 6)),
    )


def _omni_thinker() -> Any:
    return _thinker(transformers.Qwen2_5OmniThinkerConfig, {"n_window": 50}, {}, {})


def _moe_thinker() -> Any:
    return _thinker(
        transformers.Qwen3OmniMoeThinkerConfig,
        {"downsample_hidden_size": 8},
        {"deepstack_visual_indexes": [0], "num_position_embeddings": 16},
        {
            "head_dim": HEAD_DIM,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
        },
    )


def _thinker(
    config_class: Any, sound: dict[str, Any], vision: dict[str, Any], text: dict[str, Any]
) -> Any:
    """Return a thinker's config; the dicts hold the entries that only this one has."""
    return config_class(
        initializer_range=DECODER["initializer_range"],
        audio_config={**_SOUND, **sound},
        vision_config={**QWEN_EYE, **vision},
        text_config={**DECODER, "rope_parameters": ROPE, **text},
        audio_token_id=vocabulary.AUDIO,
        **_MARKS,
    )
