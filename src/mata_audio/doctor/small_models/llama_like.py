"""Families with a Whisper-like encoder, a projector and an ordinary Qwen or Llama decoder."""

from __future__ import annotations

from typing import Any

import torch
import transformers
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mata_audio.doctor.small_models import vocabulary
from mata_audio.doctor.small_models.configs import HIDDEN, LLAMA, MELS, QWEN2, QWEN3, TOWER
from mata_audio.doctor.small_models.mel_features import mel_features
from mata_audio.doctor.small_models.small_model import NoiseClip, SmallModel, built, hearing

_WIDTH = 200  # mel frames in a window of two seconds
_WINDOW = {**TOWER, "max_source_positions": _WIDTH // 2}
_WIDE = {**TOWER, "intermediate_size": 4 * TOWER["hidden_size"]}
_MARKS = {
    "audio_bos_token_id": vocabulary.AUDIO_START,
    "audio_eos_token_id": vocabulary.AUDIO_END,
}
_by_four = mel_features(lambda n: 4 * n, width=_WIDTH)
_by_eight = mel_features(lambda n: 8 * n, width=_WIDTH)


def audioflamingo3() -> SmallModel:
    """Audio Flamingo 3: four mel frames make one audio token."""
    model = hearing(transformers.AudioFlamingo3ForConditionalGeneration, _WINDOW, QWEN2)
    return SmallModel("audioflamingo3", model, _by_four)


def musicflamingo() -> SmallModel:
    """Music Flamingo: as Audio Flamingo 3, with rotary time in the encoder's output."""
    sound = {"model_type": "audioflamingo3_encoder", **_WINDOW}
    model = hearing(transformers.MusicFlamingoForConditionalGeneration, sound, QWEN2, **_MARKS)
    return SmallModel("musicflamingo", model, _by_four)


def voxtral() -> SmallModel:
    """Voxtral: audio comes in pieces of one length, each with the same number of audio tokens."""
    tokens = 6

    def features(clips: list[NoiseClip]) -> dict[str, Tensor]:
        return {"input_features": torch.stack([clip.noise(MELS, 8 * tokens) for clip in clips])}

    sound = {**_WIDE, "max_source_positions": 4 * tokens}
    model = hearing(transformers.VoxtralForConditionalGeneration, sound, LLAMA)
    return SmallModel("voxtral", model, features, clip_tokens=(tokens, tokens))


def glmasr() -> SmallModel:
    """GLM-ASR: eight mel frames make one audio token."""
    model = hearing(transformers.GlmAsrForConditionalGeneration, _WIDE, LLAMA)
    return SmallModel("glmasr", model, _by_eight)


def fun_asr_nano() -> SmallModel:
    """Fun-ASR-Nano: each stacked frame is one audio token."""
    stacked = 2
    sizes: dict[str, Any] = {
        "num_attention_heads": 2,
        "intermediate_size": HIDDEN // 4,
        "hidden_dropout": 0.0,
        "attention_dropout": 0.0,
    }
    sound = {
        **sizes,
        "num_mel_bins": MELS,
        "hidden_size": 32,
        "num_hidden_layers": 2,
        "num_stacked_frames": stacked,
        "num_timestamp_prediction_layers": 1,
        "fsmn_kernel_size": 3,
    }
    adaptor = {
        **sizes,
        "hidden_size": HIDDEN,
        "num_hidden_layers": 1,
        "projector_hidden_size": 32,
    }
    model_class = transformers.FunAsrNanoForConditionalGeneration
    model = hearing(model_class, sound, QWEN3, adaptor_config=adaptor)
    features = mel_features(lambda n: n, mels=stacked * MELS, time_first=True)
    return SmallModel("fun_asr_nano", model, features)


def moss_transcribe_diarize() -> SmallModel:
    """MOSS-Transcribe-Diarize: eight mel frames make one audio token."""
    model_class = transformers.MossTranscribeDiarizeForConditionalGeneration
    model = hearing(model_class, _WINDOW, QWEN3, audio_chunk_size=_WIDTH * 160)
    return SmallModel("moss_transcribe_diarize", model, _by_eight)


def vibevoice_asr() -> SmallModel:
    """VibeVoice-ASR: takes sound samples; the noise that the model adds is off."""
    hop = 3200  # samples per token; the processor takes no other number
    encoder = {"num_filters": 1, "downsampling_ratios": [2, 2, 4, 5, 5, 8], "depths": [1] * 7}
    config = transformers.VibeVoiceAsrConfig(
        acoustic_tokenizer_encoder_config={**encoder, "hidden_size": 8, "vae_std": 0.0},
        semantic_tokenizer_encoder_config={**encoder, "hidden_size": 8},
        text_config=QWEN2,
        audio_token_id=vocabulary.AUDIO,
        **_MARKS,
        acoustic_tokenizer_chunk_size=64 * hop,
    )

    def features(clips: list[NoiseClip]) -> dict[str, Any]:
        sounds = [clip.noise(hop * clip.tokens) for clip in clips]
        real = [torch.ones(len(sound), dtype=torch.bool) for sound in sounds]
        values, mask = (pad_sequence(rows, batch_first=True) for rows in (sounds, real))
        return {"input_values": values[:, None], "padding_mask": mask}

    model = built(transformers.VibeVoiceAsrForConditionalGeneration, config)
    return SmallModel("vibevoice_asr", model, features)
