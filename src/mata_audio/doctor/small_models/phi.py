"""Phi-4-multimodal: a decoder with the encoders inside its embedding."""

from __future__ import annotations

import torch
import transformers
from torch import Tensor

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import DECODER, LAYER, MELS, SOUND_HIDDEN
from mata_audio.doctor.small_models.mel_features import mel_features
from mata_audio.doctor.small_models.small_model import NoiseClip, Pictures, SmallModel, built

_mels = mel_features(
    lambda n: 8 * n,
    names=("audio_input_features", "audio_attention_mask"),
    time_first=True,
    bool_mask=True,
)


_SIDE = 28  # pixels of a side: two patches, which make one token
_IMAGE_TOKENS = 5  # one tile and the whole image, each with a line end, and a separator


def phi4_multimodal() -> SmallModel:
    """Phi-4-multimodal: eight mel frames make one audio token; query, key, value are one matrix."""
    config = transformers.Phi4MultimodalConfig(
        **DECODER,
        audio_config={
            "hidden_size": SOUND_HIDDEN,
            "intermediate_size": 32,
            "num_blocks": 1,
            "num_attention_heads": 2,
            "ext_pw_out_channel": SOUND_HIDDEN,
            "depthwise_separable_out_channel": SOUND_HIDDEN,
            "input_size": MELS,
            "nemo_conv_channels": 4,
            "audio_token_id": vocabulary.AUDIO,
            "feature_layer": -1,
        },
        vision_config={
            **LAYER,
            "num_hidden_layers": 2,
            "image_size": _SIDE,
            "crop_size": _SIDE,
            "image_token_id": vocabulary.IMAGE,
        },
    )
    model = built(transformers.Phi4MultimodalForCausalLM, config)
    images = Pictures(_pixels, (_IMAGE_TOKENS, _IMAGE_TOKENS))
    return SmallModel("phi4_multimodal", model, _features, images=images)


def _features(clips: list[NoiseClip]) -> dict[str, Tensor]:
    return {**_mels(clips), "audio_embed_sizes": torch.tensor([clip.tokens for clip in clips])}


def _pixels(clips: list[NoiseClip]) -> dict[str, Tensor]:
    return {
        "image_pixel_values": 0.05 * torch.stack([c.noise(2, 3, _SIDE, _SIDE) for c in clips]),
        "image_sizes": torch.tensor([[_SIDE, _SIDE]] * len(clips)),
        "image_attention_mask": torch.ones(len(clips), 2, 2, 2),
    }
