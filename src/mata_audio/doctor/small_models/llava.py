"""LLaVA, LLaVA-OneVision, InternVL: a vision encoder, a projector, an ordinary Llama or Qwen."""

from __future__ import annotations

from typing import Any

import transformers

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import LAYER, LLAMA, QWEN2
from mata_audio.doctor.small_models.pixels import whole_images, whole_videos
from mata_audio.doctor.small_models.small_model import Pictures, SmallModel, built

_SIZE, _PATCH = 12, 4
_EYE: dict[str, Any] = {
    **LAYER,
    "num_hidden_layers": 2,
    "image_size": _SIZE,
    "patch_size": _PATCH,
}


def llava() -> SmallModel:
    """LLaVA: every image has the same number of tokens, one per patch."""
    config = transformers.LlavaConfig(
        vision_config={"model_type": "clip_vision_model", **_EYE, "projection_dim": 32},
        text_config=LLAMA,
        image_token_index=vocabulary.IMAGE,
    )
    model = built(transformers.LlavaForConditionalGeneration, config)
    tokens = (_SIZE // _PATCH) ** 2
    images = Pictures(whole_images(_SIZE), (tokens, tokens))
    return SmallModel("llava", model, None, images=images)


def llava_onevision() -> SmallModel:
    """LLaVA-OneVision: the whole image, then its tiles, with a token at each line end."""
    config = transformers.LlavaOnevisionConfig(
        vision_config={"model_type": "siglip_vision_model", **_EYE, "vision_use_head": False},
        text_config=QWEN2,
        image_token_index=vocabulary.IMAGE,
        video_token_index=vocabulary.VIDEO,
        image_grid_pinpoints=[[_SIZE, _SIZE]],
    )
    model = built(transformers.LlavaOnevisionForConditionalGeneration, config)
    side, frames = _SIZE // _PATCH, 2
    image = side**2 + side * (side + 1)
    video = frames * ((side + 1) // 2) ** 2 + 1
    return SmallModel(
        "llava_onevision",
        model,
        None,
        images=Pictures(whole_images(_SIZE, sizes=True), (image, image)),
        videos=Pictures(whole_videos(_SIZE, frames), (video, video)),
    )


def internvl() -> SmallModel:
    """InternVL: four patches make one token; a video is given as images."""
    config = transformers.InternVLConfig(
        vision_config={**_EYE, "image_size": [16, 16], "patch_size": [_PATCH, _PATCH]},
        text_config=QWEN2,
        image_token_id=vocabulary.IMAGE,
        image_seq_length=4,
    )
    model = built(transformers.InternVLForConditionalGeneration, config)
    return SmallModel("internvl", model, None, images=Pictures(whole_images(16), (4, 4)))
