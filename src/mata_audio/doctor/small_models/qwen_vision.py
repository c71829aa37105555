"""Qwen2.5-VL and Qwen3-VL."""

from __future__ import annotations

from typing import Any

import transformers

from mata_audio.doctor.small_models.configs import DECODER, HEAD_DIM, QWEN_EYE, ROPE, VISION_MARKS
from mata_audio.doctor.small_models.pixels import FRAMES, MERGED, PATCH, patches
from mata_audio.doctor.small_models.small_model import Pictures, SmallModel, built

_VISION = {
    **QWEN_EYE,
    "depth": 2,
    "patch_size": PATCH,
    "spatial_merge_size": MERGED,
    "temporal_patch_size": FRAMES,
}


def qwen2_5_vl() -> SmallModel:
    """Qwen2.5-VL: images and videos are grids of patches; four patches make one token."""
    config = transformers.Qwen2_5_VLConfig(
        vision_config={**_VISION, "window_size": 4 * PATCH, "fullatt_block_indexes": [1]},
        text_config={**DECODER, "rope_parameters": ROPE},
        **VISION_MARKS,
    )
    model = built(transformers.Qwen2_5_VLForConditionalGeneration, config)
    return _shown("qwen2_5_vl", model, steps=2)


def qwen3_vl() -> SmallModel:
    """Qwen3-VL: query and key norms; image features are added to the first layers' output too."""
    config = transformers.Qwen3VLConfig(
        vision_config={**_VISION, "deepstack_visual_indexes": [0], "num_position_embeddings": 16},
        text_config={**DECODER, "head_dim": HEAD_DIM, "rope_parameters": ROPE},
        **VISION_MARKS,
    )
    model = built(transformers.Qwen3VLForConditionalGeneration, config)
    return _shown("qwen3_vl", model, steps=1)


def _shown(name: str, model: Any, steps: int) -> SmallModel:
    return SmallModel(
        name,
        model,
        None,
        images=Pictures(patches("image"), (3, 6)),
        videos=Pictures(patches("video", steps=steps), (4, 6)),
        types="mm_token_type_ids",
    )
