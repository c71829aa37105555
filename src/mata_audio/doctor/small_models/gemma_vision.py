"""Gemma 3: sliding-window layers, and image tokens that see each other."""

from __future__ import annotations

import transformers

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import DECODER, HEAD_DIM, LAYER
from mata_audio.doctor.small_models.gemma import WINDOW
from mata_audio.doctor.small_models.pixels import whole_images
from mata_audio.doctor.small_models.small_model import NoiseClip, Pictures, SmallModel, built

_TOKENS = 4


def gemma3() -> SmallModel:
    """Gemma 3: every image has the same number of tokens."""
    config = transformers.Gemma3Config(
        vision_config={
            "model_type": "siglip_vision_model",
            **LAYER,
            "image_size": 16,
            "patch_size": 4,
            "vision_use_head": False,
        },
        text_config={
            **DECODER,
            "layer_types": ["sliding_attention", "full_attention"] * 2,
            "head_dim": HEAD_DIM,
            "query_pre_attn_scalar": HEAD_DIM,
            "sliding_window": WINDOW,
        },
        mm_tokens_per_image=_TOKENS,
        image_token_index=vocabulary.IMAGE,
        boi_token_index=vocabulary.VISION_START,
        eoi_token_index=vocabulary.VISION_END,
    )
    model = built(transformers.Gemma3ForConditionalGeneration, config)
    # Initialised to zero, so all images would look the same.
    weight = model.model.multi_modal_projector.mm_input_projection_weight
    weight.data.copy_(0.2 * NoiseClip(0, seed=0).noise(*weight.shape))
    images = Pictures(whole_images(16), (_TOKENS, _TOKENS))
    return SmallModel("gemma3", model, None, images=images, types="token_type_ids")
