"""Sizes and config entries that the small models share."""

from __future__ import annotations

from typing import Any

from mata_audio.doctor.small_models.small_model import (
    BOS,
    EOS,
    IMAGE,
    PAD,
    VIDEO,
    VISION_END,
    VISION_START,
    VOCABULARY,
)

LAYERS, HEADS, KEY_HEADS, HIDDEN = 4, 4, 2, 64
MELS, SOUND_HIDDEN = 16, 32

TOKENS: dict[str, Any] = {"pad_token_id": PAD, "eos_token_id": EOS, "bos_token_id": BOS}

DECODER: dict[str, Any] = {
    "vocab_size": VOCABULARY,
    "hidden_size": HIDDEN,
    "intermediate_size": 128,
    "num_hidden_layers": LAYERS,
    "num_attention_heads": HEADS,
    "num_key_value_heads": KEY_HEADS,
    "max_position_embeddings": 4096,
    "initializer_range": 0.08,  # scores of order one, so that steering has an effect
    **TOKENS,
}

# Positions in three dimensions, as in Qwen's models that take images.
ROPE: dict[str, Any] = {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]}

# The marks of images and videos, by the names that these configs use.
VISION_MARKS: dict[str, int] = {
    "image_token_id": IMAGE,
    "video_token_id": VIDEO,
    "vision_start_token_id": VISION_START,
    "vision_end_token_id": VISION_END,
}

# A Whisper-like encoder, by the two sets of names that configs use.
ENCODER: dict[str, Any] = {
    "num_mel_bins": MELS,
    "encoder_layers": 1,
    "encoder_attention_heads": 2,
    "encoder_ffn_dim": 32,
    "d_model": SOUND_HIDDEN,
}
TOWER: dict[str, Any] = {
    "num_mel_bins": MELS,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 2 * SOUND_HIDDEN,
    "hidden_size": SOUND_HIDDEN,
}
