"""Families with a Whisper-like encoder, a projector and an ordinary Qwen or Llama decoder."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor

from mata_audio.doctor.small_models.configs import DECODER, HEADS, HIDDEN, MELS, TOWER
from mata_audio.doctor.small_models.mel_features import mel_features
from mata_audio.doctor.small_models.small_model import (
    AUDIO,
    AUDIO_END,
    AUDIO_START,
    NoiseClip,
    SmallModel,
    built,
)

_WIDTH = 200  # mel frames in a window of two seconds
_LLAMA = {"model_type": "llama", "head_dim": HIDDEN // HEADS, **DECODER}
_QWEN2 = {"model_type": "qwen2", **DECODER}
_QWEN3 = {"model_type": "qwen3", "head_dim": HIDDEN // HEADS, **DECODER}


def audioflamingo3() -> SmallModel:
    """Audio Flamingo 3: four mel frames make one audio token."""
    config = transformers.AudioFlamingo3Config(
        audio_config={**TOWER, "max_source_positions": _WIDTH // 2},
        text_config=_QWEN2,
        audio_token_id=AUDIO,
    )
    model = built(transformers.AudioFlamingo3ForConditionalGeneration, config)
    return SmallModel("audioflamingo3", model, mel_features(lambda n: 4 * n, width=_WIDTH))


def musicflamingo() -> SmallModel:
    """Music Flamingo: as Audio Flamingo 3, with rotary time in the encoder's output."""
    config = transformers.MusicFlamingoConfig(
        audio_config={
            "model_type": "audioflamingo3_encoder",
            **TOWER,
            "max_source_positions": _WIDTH // 2,
        },
        text_config=_QWEN2,
        audio_token_id=AUDIO,
        audio_bos_token_id=AUDIO_START,
        audio_eos_token_id=AUDIO_END,
    )
    model = built(transformers.MusicFlamingoForConditionalGeneration, config)
    return SmallModel("musicflamingo", model, mel_features(lambda n: 4 * n, width=_WIDTH))


def voxtral() -> SmallModel:
    """Voxtral: audio comes in pieces of one length, each with the same number of audio tokens."""
    tokens = 6
    config = transformers.VoxtralConfig(
        audio_config={
            **TOWER,
            "intermediate_size": 4 * TOWER["hidden_size"],
            "max_source_positions": 4 * tokens,
        },
        text_config=_LLAMA,
        audio_token_id=AUDIO,
    )

    def features(clips: list[NoiseClip]) -> dict[str, Tensor]:
        return {"input_features": torch.stack([clip.noise(MELS, 8 * tokens) for clip in clips])}

    model = built(transformers.VoxtralForConditionalGeneration, config)
    return SmallModel("voxtral", model, features, clip_tokens=(tokens, tokens))


def glmasr() -> SmallModel:
    """GLM-ASR: eight mel frames make one audio token."""
    config = transformers.GlmAsrConfig(
        audio_config={**TOWER, "intermediate_size": 4 * TOWER["hidden_size"]},
        text_config=_LLAMA,
        audio_token_id=AUDIO,
    )
    model = built(transformers.GlmAsrForConditionalGeneration, config)
    return SmallModel("glmasr", model, mel_features(lambda n: 8 * n, width=_WIDTH))


def fun_asr_nano() -> SmallModel:
    """Fun-ASR-Nano: each stacked frame is one audio token."""
    stacked = 2
    sizes: dict[str, Any] = {
        "num_attention_heads": 2,
        "intermediate_size": HIDDEN // 4,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
    }
    config = transformers.FunAsrNanoConfig(
        audio_config={
            **sizes,
            "num_mel_bins": MELS,
            "hidden_size": 32,
            "num_hidden_layers": 2,
            "num_stacked_frames": stacked,
            "num_timestamp_prediction_layers": 1,
            "fsmn_kernel_size": 3,
        },
        adaptor_config={
            **sizes,
            "hidden_size": HIDDEN,
            "num_hidden_layers": 1,
            "projector_hidden_size": 32,
        },
        text_config=_QWEN3,
        audio_token_id=AUDIO,
    )
    model = built(transformers.FunAsrNanoForConditionalGeneration, config)
    features = mel_features(lambda n: n, mels=stacked * MELS, time_first=True)
    return SmallModel("fun_asr_nano", model, features)


def moss_transcribe_diarize() -> SmallModel:
    """MOSS-Transcribe-Diarize: eight mel frames make one audio token."""
    config = transformers.MossTranscribeDiarizeConfig(
        audio_config={**TOWER, "max_source_positions": _WIDTH // 2},
        text_config=_QWEN3,
        audio_token_id=AUDIO,
        audio_chunk_size=_WIDTH * 160,
    )
    model = built(transformers.MossTranscribeDiarizeForConditionalGeneration, config)
    features = mel_features(lambda n: 8 * n, width=_WIDTH)
    return SmallModel("moss_transcribe_diarize", model, features)


def vibevoice_asr() -> SmallModel:
    """VibeVoice-ASR: takes sound samples; the noise that the model adds is off."""
    hop = 3200  # samples per token; the processor takes no other number
    encoder = {"num_filters": 1, "downsampling_ratios": [2, 2, 4, 5, 5, 8], "depths": [1] * 7}
    config = transformers.VibeVoiceAsrConfig(
        acoustic_tokenizer_encoder_config={**encoder, "hidden_size": 8, "vae_std": 0.0},
        semantic_tokenizer_encoder_config={**encoder, "hidden_size": 8},
        text_config=_QWEN2,
        audio_token_id=AUDIO,
        audio_bos_token_id=AUDIO_START,
        audio_eos_token_id=AUDIO_END,
        acoustic_tokenizer_chunk_size=64 * hop,
    )

    def features(clips: list[NoiseClip]) -> dict[str, Any]:
        width = hop * max(clip.tokens for clip in clips)
        values, mask = torch.zeros(len(clips), 1, width), torch.zeros(len(clips), width).bool()
        for i, clip in enumerate(clips):
            length = hop * clip.tokens
            values[i, 0, :length], mask[i, :length] = clip.noise(length), True
        return {"input_values": values, "padding_mask": mask}

    model = built(transformers.VibeVoiceAsrForConditionalGeneration, config)
    return SmallModel("vibevoice_asr", model, features)
