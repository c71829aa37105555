"""Gemma 3: sliding-window layers, and image tokens that see each other."""

from __future__ import annotations

import transformers

from mata_audio.doctor.small_models.configs import DECODER, HEADS, HIDDEN
from mata_audio.doctor.small_models.gemma import WINDOW
from mata_audio.doctor.small_models.pixels import whole_images
from mata_audio.doctor.small_models.small_model import (
    IMAGE,
    VISION_END,
    VISION_START,
    NoiseClip,
    Pictures,
    SmallModel,
    built,
)

_TOKENS = 4


def gemma3() -> SmallModel:
    """Gemma 3: every image has the same number of tokens."""
    config = transformers.Gemma3Config(
        vision_config={
            "model_type": "siglip_vision_model",
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 1,
            "num_attention_heads": 2,
            "image_size": 16,
            "patch_size": 4,
            "vision_use_head": False,
        },
        text_config={
            **DECODER,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "head_dim": HIDDEN // HEADS,
            "query_pre_attn_scalar": HIDDEN // HEADS,
            "sliding_window": WINDOW,
        },
        mm_tokens_per_image=_TOKENS,
        image_token_index=IMAGE,
        boi_token_index=VISION_START,
        eoi_token_index=VISION_END,
    )
    model = built(transformers.Gemma3ForConditionalGeneration, config)
    # Initialised to zero, so all images would look the same.
    weight = model.model.multi_modal_projector.mm_input_projection_weight
    weight.data.copy_(0.2 * NoiseClip(0, seed=0).noise(*weight.shape))
    images = Pictures(whole_images(16), (_TOKENS, _TOKENS))
    return SmallModel("gemma3", model, None, images=images, types="token_type_ids")
