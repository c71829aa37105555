"""Phi-4-multimodal: one decoder with the encoders inside its embedding."""

from __future__ import annotations

import torch
import transformers
from torch import Tensor

from mata_audio.small_models.configs import DECODER, MELS, SOUND_HIDDEN
from mata_audio.small_models.mel_features import mel_features
from mata_audio.small_models.small_model import AUDIO, IMAGE, Clip, SmallModel, built

_mels = mel_features(
    lambda n: 8 * n,
    names=("audio_input_features", "audio_attention_mask"),
    time_first=True,
    bool_mask=True,
)


def phi4_multimodal() -> SmallModel:
    """Phi-4-multimodal: eight mel frames make one audio token; query, key and value are one."""
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
            "audio_token_id": AUDIO,
            "feature_layer": -1,
        },
        vision_config={
            "hidden_size": 32,
            "intermediate_size": 32,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "image_size": 28,
            "crop_size": 28,
            "image_token_id": IMAGE,
        },
    )
    return SmallModel(
        "phi4_multimodal", built(transformers.Phi4MultimodalForCausalLM, config), _features
    )


def _features(clips: list[Clip]) -> dict[str, Tensor]:
    return {**_mels(clips), "audio_embed_sizes": torch.tensor([clip.tokens for clip in clips])}
