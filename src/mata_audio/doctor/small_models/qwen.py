"""Qwen2-Audio, Qwen3-ASR, and Qwen's Omni models (whole, and only the thinker)."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import transformers

from mata_audio.doctor.small_models.configs import (
    DECODER,
    ENCODER,
    HIDDEN,
    ROPE,
    TOKENS,
    VISION_MARKS,
)
from mata_audio.doctor.small_models.mel_features import mel_features
from mata_audio.doctor.small_models.pixels import patches
from mata_audio.doctor.small_models.small_model import (
    AUDIO,
    AUDIO_END,
    AUDIO_START,
    PAD,
    Pictures,
    SmallModel,
    built,
)

_FRAMES = 100
_MARKS = {
    "audio_token_id": AUDIO,
    **VISION_MARKS,
    "audio_start_token_id": AUDIO_START,
    "audio_end_token_id": AUDIO_END,
    "pad_token_id": PAD,
}
_NAMES = ("input_features", "feature_attention_mask")
_VISION = {
    "depth": 1,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 32,
    "out_hidden_size": HIDDEN,
}


def qwen2_audio() -> SmallModel:
    """Qwen2-Audio: four mel frames make one audio token."""
    config = transformers.Qwen2AudioConfig(
        audio_config={**ENCODER, "max_source_positions": _FRAMES // 2},
        text_config={"model_type": "qwen2", **DECODER},
        audio_token_index=AUDIO,
    )
    config.pad_token_id = PAD
    model = built(transformers.Qwen2AudioForConditionalGeneration, config)
    features = mel_features(lambda tokens: 4 * tokens, width=_FRAMES, names=_NAMES)
    return SmallModel("qwen2_audio", model, features)


def qwen2_5_omni_thinker() -> SmallModel:
    """The part of Qwen2.5-Omni that listens and answers in text."""
    model = built(transformers.Qwen2_5OmniThinkerForConditionalGeneration, _omni_thinker())
    return _omni("qwen2_5_omni_thinker", model, _by_four)


def qwen2_5_omni() -> SmallModel:
    """Qwen2.5-Omni as one checkpoint, without its voice."""
    config = transformers.Qwen2_5OmniConfig(
        thinker_config=_omni_thinker().to_dict(), enable_audio_output=False
    )
    model = built(transformers.Qwen2_5OmniForConditionalGeneration, config)
    return _omni("qwen2_5_omni", model, _by_four)


def qwen3_omni_moe_thinker() -> SmallModel:
    """The part of Qwen3-Omni that listens and answers in text: experts, query and key norms."""
    model = built(transformers.Qwen3OmniMoeThinkerForConditionalGeneration, _moe_thinker())
    return _omni("qwen3_omni_moe_thinker", model, _by_eight)


def qwen3_omni_moe() -> SmallModel:
    """Qwen3-Omni as one checkpoint, without its voice."""
    config = transformers.Qwen3OmniMoeConfig(
        thinker_config=_moe_thinker().to_dict(), enable_audio_output=False
    )
    model = built(transformers.Qwen3OmniMoeForConditionalGeneration, config)
    return _omni("qwen3_omni_moe", model, _by_eight)


def qwen3_asr() -> SmallModel:
    """Qwen3-ASR: Qwen3 with query and key norms under a windowed encoder."""
    config = transformers.Qwen3ASRConfig(
        audio_config={**ENCODER, "output_dim": HIDDEN, "n_window": 50, "downsample_hidden_size": 8},
        text_config={"model_type": "qwen3", "head_dim": HIDDEN // 4, **DECODER},
        audio_token_id=AUDIO,
        **{name: TOKENS[name] for name in ("pad_token_id", "eos_token_id")},
    )
    model = built(transformers.Qwen3ASRForConditionalGeneration, config)
    return SmallModel("qwen3_asr", model, mel_features(_by_eight, width=_FRAMES))


def _omni(name: str, model: Any, frames: Callable[[int], int]) -> SmallModel:
    """Return the small model of an Omni family, which takes audio, images and videos."""
    patch = getattr(model, "thinker", model).config.vision_config.patch_size
    videos = patches("video", steps=2, seconds="video_second_per_grid", patch=patch)
    return SmallModel(
        name,
        model,
        mel_features(frames, names=_NAMES),
        images=Pictures(patches("image", patch=patch), (3, 6)),
        videos=Pictures(videos, (4, 6)),
    )


def _by_four(tokens: int) -> int:
    return 4 * tokens


def _by_eight(tokens: int) -> int:
    return 8 * tokens


def _omni_thinker() -> Any:
    return transformers.Qwen2_5OmniThinkerConfig(
        initializer_range=DECODER["initializer_range"],
        audio_config={
            **ENCODER,
            "max_source_positions": _FRAMES,
            "n_window": 50,
            "output_dim": HIDDEN,
        },
        vision_config=_VISION,
        text_config={**DECODER, "rope_parameters": ROPE},
        user_token_id=TOKENS["bos_token_id"],
        **_MARKS,
    )


def _moe_thinker() -> Any:
    return transformers.Qwen3OmniMoeThinkerConfig(
        initializer_range=DECODER["initializer_range"],
        audio_config={
            **ENCODER,
            "max_source_positions": _FRAMES,
            "output_dim": HIDDEN,
            "downsample_hidden_size": 8,
        },
        vision_config={**_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 16},
        text_config={
            **DECODER,
            "head_dim": HIDDEN // 4,
            "num_experts": 4,
            "num_experts_per_tok": 2,
            "moe_intermediate_size": 32,
            "rope_parameters": ROPE,
        },
        user_token_id=TOKENS["bos_token_id"],
        **_MARKS,
    )
