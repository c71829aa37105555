"""Granite Speech and Granite Speech Plus: a conformer, a Q-Former, and Granite."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import DECODER, HEAD_DIM, LAYER
from mata_audio.doctor.small_models.small_model import NoiseClip, SmallModel, built

_WINDOW, _TOKENS = 15, 3  # encoder frames of a window, and its audio tokens
GRANITE_MELS = 80
"""Mel channels; a saved feature extractor loses any other number."""

_ENCODER: dict[str, Any] = {
    "input_dim": 2 * GRANITE_MELS,  # two mel frames make one
    "num_layers": 2,
    "hidden_dim": 32,
    "num_heads": 2,
    "dim_head": 16,
    "feedforward_mult": 2,
    "output_dim": 8,
    "context_size": 20,
    "max_pos_emb": 32,
    "dropout": 0.0,
    "conv_kernel_size": 3,
}


def granite_speech() -> SmallModel:
    """Granite Speech without its adapter, which needs PEFT and is trained separately."""
    config = transformers.GraniteSpeechConfig(encoder_config=_ENCODER, **_rest(32))
    model = built(transformers.GraniteSpeechForConditionalGeneration, config)
    return SmallModel("granite_speech", model, _features, clip_tokens=(_TOKENS, 2 * _TOKENS))


def granite_speech_plus() -> SmallModel:
    """Granite Speech Plus: the decoder also gets the output of an inner encoder layer."""
    config = transformers.GraniteSpeechPlusConfig(
        encoder_config={**_ENCODER, "cat_hidden_layers": [1]}, **_rest(64)
    )
    model = built(transformers.GraniteSpeechPlusForConditionalGeneration, config)
    return SmallModel("granite_speech_plus", model, _features, clip_tokens=(_TOKENS, 2 * _TOKENS))


def _rest(encoder_width: int) -> dict[str, Any]:
    return {
        "text_config": {
            "model_type": "granite",
            **DECODER,
            "attention_multiplier": HEAD_DIM**-0.5,
        },
        "projector_config": {
            "model_type": "blip_2_qformer",
            **LAYER,
            "encoder_hidden_size": encoder_width,
            "hidden_dropout_prob": 0.0,
            "attention_probs_dropout_prob": 0.0,
        },
        "audio_token_index": vocabulary.AUDIO,
        "has_lora_adapter": False,
        "window_size": _WINDOW,
        "downsample_rate": _WINDOW // _TOKENS,
        "initializer_range": DECODER["initializer_range"],
    }


def _features(clips: list[NoiseClip]) -> dict[str, Tensor]:
    """Return frames, padded, and a mask of audio tokens."""
    width = _ENCODER["input_dim"]
    values = [clip.noise(clip.tokens // _TOKENS * _WINDOW, width) for clip in clips]
    real = [torch.ones(clip.tokens, dtype=torch.bool) for clip in clips]
    padded, mask = (pad_sequence(rows, batch_first=True) for rows in (values, real))
    return {"input_features": padded, "input_features_mask": mask}
