"""Sizes and config entries that the small models share."""

from __future__ import annotations

from typing import Any

from mata_audio.doctor.small_models import vocabulary

HEADS, HIDDEN = 4, 64
HEAD_DIM = HIDDEN // HEADS
MELS, SOUND_HIDDEN = 16, 32

DECODER: dict[str, Any] = {
    "vocab_size": vocabulary.SIZE,
    "hidden_size": HIDDEN,
    "intermediate_size": 128,
    "num_hidden_layers": 4,
    "num_attention_heads": HEADS,
    "num_key_value_heads": 2,
    "max_position_embeddings": 4096,
    "initializer_range": 0.08,  # scores of order one, so that steering has an effect
    "pad_token_id": vocabulary.PAD,
    "eos_token_id": vocabulary.EOS,
    "bos_token_id": vocabulary.BOS,
}
LLAMA: dict[str, Any] = {"model_type": "llama", "head_dim": HEAD_DIM, **DECODER}
QWEN2: dict[str, Any] = {"model_type": "qwen2", **DECODER}
QWEN3: dict[str, Any] = {"model_type": "qwen3", "head_dim": HEAD_DIM, **DECODER}

# Positions in three dimensions, as in Qwen's models that take images.
ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}

# The marks of images and videos, by the names that these configs use.
VISION_MARKS: dict[str, int] = {
    "image_token_id": vocabulary.IMAGE,
    "video_token_id": vocabulary.VIDEO,
    "vision_start_token_id": vocabulary.VISION_START,
    "vision_end_token_id": vocabulary.VISION_END,
}

# The encoder of images and videos in Qwen's models.
QWEN_EYE: dict[str, Any] = {
    "depth": 1,
    "hidden_size": 32,
    "num_heads": 2,
    "intermediate_size": 32,
    "out_hidden_size": HIDDEN,
}

# One layer of any other encoder.
LAYER: dict[str, Any] = {
    "hidden_size": SOUND_HIDDEN,
    "intermediate_size": 32,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
}

# A Whisper-like encoder, by the two sets of names that configs use.
ENCODER: dict[str, Any] = {
    "num_mel_bins": MELS,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "d_model": SOUND_HIDDEN,
}
TOWER: dict[str, Any] = {**LAYER, "num_mel_bins": MELS, "intermediate_size": 2 * SOUND_HIDDEN}
