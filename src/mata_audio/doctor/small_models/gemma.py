"""Gemma 3n and Gemma 4: sliding-window layers, and last layers that reuse earlier layers' keys.

Of six layers, 0, 2 and 4 have a sliding window. The last two reuse keys: 4 those of 2 (sliding), 5
those of 3 (full).
"""

from __future__ import annotations

from typing import Any

import transformers

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import DECODER, HEAD_DIM, HIDDEN, LAYER, MELS
from mata_audio.doctor.small_models.mel_features import mel_features
from mata_audio.doctor.small_models.pixels import MERGED, PATCH, placed_patches
from mata_audio.doctor.small_models.small_model import Pictures, SmallModel, built

WINDOW = 12
"""Keys that a sliding layer sees: fewer than a question has, so some audio is out of reach."""

_TEXT: dict[str, Any] = {
    **DECODER,
    "num_hidden_layers": 6,
    "layer_types": ["sliding_attention", "full_attention"] * 3,
    "num_kv_shared_layers": 2,
    "head_dim": HEAD_DIM,
    "sliding_window": WINDOW,
    "hidden_size_per_layer_input": 8,
    "vocab_size_per_layer_input": vocabulary.SIZE,
}
_MARKS = {
    "audio_token_id": vocabulary.AUDIO,
    "boa_token_id": vocabulary.AUDIO_START,
    "image_token_id": vocabulary.IMAGE,
    "boi_token_id": vocabulary.VISION_START,
    "eoi_token_id": vocabulary.VISION_END,
}
GEMMA3N_TOKENS = 12
"""Audio tokens of a clip of any length, up to two seconds."""


def gemma3n() -> SmallModel:
    """Gemma 3n: every clip has the same number of audio tokens."""
    config = transformers.Gemma3nConfig(
        audio_config={
            "vocab_size": vocabulary.SIZE - vocabulary.AUDIO,
            "vocab_offset": vocabulary.AUDIO,
            "input_feat_size": MELS,
            "hidden_size": LAYER["hidden_size"],
            "conf_attention_chunk_size": 4,
            "conf_attention_context_left": 5,
            "conf_num_attention_heads": 2,
            "conf_num_hidden_layers": 1,
            "conf_conv_kernel_size": 3,
            "sscp_conv_channel_size": [4, 4],
        },
        text_config={**_TEXT, "altup_num_inputs": 2, "laurel_rank": 8},
        audio_soft_tokens_per_image=GEMMA3N_TOKENS,
        eoa_token_id=vocabulary.AUDIO_END,
        **_MARKS,
    )
    # The real vision encoder needs the package timm, and the config's constructor accepts no other,
    # so it is replaced afterwards. Sound never reaches it.
    vars(config)["vision_config"] = transformers.SiglipVisionConfig(
        **LAYER,
        image_size=16,
        patch_size=16,
        vocab_size=4,
        vocab_offset=vocabulary.AUDIO - 4,
        rms_norm_eps=1e-6,
    )
    model = built(transformers.Gemma3nForConditionalGeneration, config)
    features = mel_features(lambda n: 16 * n, time_first=True, bool_mask=True)
    return SmallModel(
        "gemma3n",
        model,
        features,
        clip_tokens=(GEMMA3N_TOKENS, GEMMA3N_TOKENS),
        images=Pictures(lambda clips: {}, (3, 5)),  # no vision encoder: only image tokens
    )


def gemma4() -> SmallModel:
    """Gemma 4: four mel frames make one audio token."""
    config = transformers.Gemma4Config(
        audio_config={
            "hidden_size": LAYER["hidden_size"],
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "subsampling_conv_channels": [MELS, 4],
            "conv_kernel_size": 3,
            "attention_chunk_size": 4,
            "attention_context_left": 5,
            "output_proj_dims": HIDDEN,
        },
        vision_config={
            **LAYER,
            "num_key_value_heads": 2,
            "head_dim": 16,
            "position_embedding_size": 16,
            "patch_size": PATCH,
            "pooling_kernel_size": MERGED,
        },
        text_config={
            **_TEXT,
            "global_head_dim": 2 * HEAD_DIM,
            "num_global_key_value_heads": 1,
            "attention_k_eq_v": True,
        },
        eoa_token_index=vocabulary.AUDIO_END,
        video_token_id=vocabulary.VIDEO,
        **_MARKS,
    )
    model = built(transformers.Gemma4ForConditionalGeneration, config)
    # Query and key are normed and their product is not divided. This scale gives scores of order
    # one, as training would.
    for layer in model.model.language_model.layers:
        layer.self_attn.q_norm.weight.data.fill_(0.2)
    features = mel_features(lambda n: 4 * n, time_first=True, bool_mask=True)
    return SmallModel(
        "gemma4",
        model,
        features,
        images=Pictures(placed_patches("image"), (3, 5)),
        videos=Pictures(placed_patches("video"), (4, 6)),
    )
