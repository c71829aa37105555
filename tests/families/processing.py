"""Real processors around a tokenizer of a hundred words, without files from a hub.

Some need torchvision (for pictures) or torchaudio: :data:`NEEDS`. Voxtral's has a different
prompt format (``voxtral_folder.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import pytest
import transformers
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel

from mata_audio.doctor.small_models.configs import MELS
from mata_audio.doctor.small_models.gemma import GEMMA3N_TOKENS
from mata_audio.doctor.small_models.granite import GRANITE_MELS
from mata_audio.doctor.small_models.small_model import NoiseClip, Sample
from mata_audio.doctor.small_models.vocabulary import (
    AUDIO,
    AUDIO_END,
    AUDIO_START,
    EOS,
    IMAGE,
    PAD,
    SIZE,
    TEXT,
    VIDEO,
    VISION_END,
    VISION_START,
)


@dataclass(frozen=True)
class Processing:
    """A family's processor, and how to call it.

    Args:
        processor: of the real class.
        placeholder: marks a clip in a text.
        samples_per_token: sound samples per audio token.
        rate: sampling rate.
        more_samples: samples that every clip has in addition to those of its tokens.
        one_clip: whether the processor only takes texts with one clip each.
    """

    processor: Any
    placeholder: str
    samples_per_token: int
    rate: int = 16_000
    more_samples: int = 0
    one_clip: bool = False

    def inputs(self, samples: Sequence[Sample], side: str = "left") -> dict[str, Any]:
        """Process prompts, all of which have clips, into one padded batch."""
        texts, sounds = [], []
        for sample in samples:
            words = [f"w{TEXT[i % len(TEXT)]}" for i in range(sample.text)]
            clips = [self.placeholder] * len(sample.clips)
            texts.append(" ".join([*words[:2], *clips, *words[2:]]))
            for i, tokens in enumerate(sample.clips):
                clip = NoiseClip(tokens, 100 * sample.seed + i)
                count = tokens * self.samples_per_token + self.more_samples
                sounds.append(0.1 * clip.noise(count).numpy())
        made = self.processor(
            text=texts,
            audio=sounds,
            text_kwargs={"padding": True, "padding_side": side},
            audio_kwargs={"sampling_rate": self.rate},
            return_tensors="pt",
        )
        return dict(made)


def tokenizer(audio: str, start: str = "<start>", end: str = "<end>") -> Any:
    """A tokenizer of the words w5, w6, ..., with the ids that every small model has.

    Args:
        audio: name of the audio token.
        start: name of the token before a clip.
        end: name of the token after it.
    """
    named = {
        PAD: "<pad>",
        EOS: "<eos>",
        AUDIO: audio,
        AUDIO_START: start,
        AUDIO_END: end,
        IMAGE: "<image>",
        VIDEO: "<video>",
        VISION_START: "<vision>",
        VISION_END: "</vision>",
    }
    vocabulary = {named.get(i, f"w{i}"): i for i in range(SIZE)}
    base = Tokenizer(WordLevel(vocabulary, unk_token=f"w{TEXT.start}"))
    base.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=base,
        pad_token="<pad>",
        eos_token="<eos>",
        extra_special_tokens={
            "audio_token": audio,
            "audio_bos_token": start,
            "audio_eos_token": end,
            "boa_token": start,
            "eoa_token": end,
            "image_token": "<image>",
            "video_token": "<video>",
            "vision_bos_token": "<vision>",
            "vision_eos_token": "</vision>",
            "boi_token": "<vision>",
            "eoi_token": "</vision>",
            "start_image_token": "<vision>",
            "end_image_token": "</vision>",
            "context_image_token": "<image>",
        },
        padding_side="left",
    )


def whisper(seconds: int = 1) -> Any:
    """The feature extractor of most families; frames grouped by four need an even window."""
    return transformers.WhisperFeatureExtractor(feature_size=MELS, chunk_length=seconds)


def _qwen2_audio() -> Processing:
    words = tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
    processor = transformers.Qwen2AudioProcessor(whisper(), words)
    return Processing(processor, "<|audio_bos|><|AUDIO|><|audio_eos|>", 640)


def _audioflamingo3() -> Processing:
    processor = transformers.AudioFlamingo3Processor(whisper(2), tokenizer("<sound>"))
    return Processing(processor, "<sound>", 640, one_clip=True)


def _musicflamingo() -> Processing:
    words = tokenizer("<sound>", "<|sound_bos|>", "<|sound_eos|>")
    processor = transformers.MusicFlamingoProcessor(whisper(2), words)
    return Processing(processor, "<sound>", 640, one_clip=True)


def _glmasr() -> Processing:
    processor = transformers.GlmAsrProcessor(whisper(2), tokenizer("<|pad|>"))
    return Processing(processor, "<|pad|>", 1280, one_clip=True)


def _qwen3_asr() -> Processing:
    extractor = transformers.Qwen3ASRFeatureExtractor(feature_size=MELS, min_length=160)
    processor = transformers.Qwen3ASRProcessor(extractor, tokenizer("<|audio_pad|>"))
    return Processing(processor, "<|audio_pad|>", 1280, one_clip=True)


def _moss_transcribe_diarize() -> Processing:
    words = tokenizer("<|audio_pad|>", "<|audio_start|>", "<|audio_end|>")
    extractor = transformers.MossTranscribeDiarizeFeatureExtractor(
        feature_size=MELS, chunk_length=2
    )
    processor = transformers.MossTranscribeDiarizeProcessor(extractor, words)
    return Processing(processor, "<|audio_pad|>", 1280, one_clip=True)


def _vibevoice_asr() -> Processing:
    words = tokenizer("<|box_start|>", "<|object_ref_start|>", "<|object_ref_end|>")
    extractor = transformers.VibeVoiceAcousticTokenizerFeatureExtractor()
    processor = transformers.VibeVoiceAsrProcessor(extractor, words)
    return Processing(processor, "<|box_start|>", 3200, 24_000)


def _omni(processor_class: Any, samples_per_token: int) -> Processing:
    processor = processor_class(
        transformers.Qwen2VLImageProcessor(),
        transformers.Qwen2VLVideoProcessor(),
        whisper(),
        tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>"),
    )
    return Processing(processor, "<|audio_bos|><|AUDIO|><|audio_eos|>", samples_per_token)


def _qwen2_5_omni() -> Processing:
    return _omni(transformers.Qwen2_5OmniProcessor, 640)


def _qwen3_omni_moe() -> Processing:
    return _omni(transformers.Qwen3OmniMoeProcessor, 1280)


def _phi4_multimodal() -> Processing:
    processor = transformers.Phi4MultimodalProcessor(
        transformers.Phi4MultimodalImageProcessor(),
        transformers.Phi4MultimodalFeatureExtractor(feature_size=MELS),
        tokenizer("<|audio|>"),
    )
    return Processing(processor, "<|audio|>", 1280)


def _gemma3n() -> Processing:
    processor = transformers.Gemma3nProcessor(
        transformers.Gemma3nAudioFeatureExtractor(feature_size=MELS),
        transformers.SiglipImageProcessor(),
        tokenizer("<audio_soft_token>"),
        audio_seq_length=GEMMA3N_TOKENS,
    )
    return Processing(processor, "<audio_soft_token>", 2560)


def _gemma4() -> Processing:
    processor = transformers.Gemma4Processor(
        transformers.Gemma4AudioFeatureExtractor(feature_size=MELS),
        transformers.Gemma4ImageProcessor(),
        tokenizer("<|audio|>"),
        transformers.Gemma4VideoProcessor(),
    )
    return Processing(processor, "<|audio|>", 640)


def _granite_speech() -> Processing:
    extractor = transformers.GraniteSpeechFeatureExtractor(n_mels=GRANITE_MELS)
    processor = transformers.GraniteSpeechProcessor(extractor, tokenizer("<|audio|>"))
    return Processing(processor, "<|audio|>", 1600)


def _fun_asr_nano() -> Processing:
    extractor = transformers.FunAsrNanoFeatureExtractor(
        feature_size=MELS, num_frames_lfr=2, stride_lfr=2
    )
    processor = transformers.FunAsrNanoProcessor(extractor, tokenizer("<|object_ref_start|>"))
    return Processing(processor, "<|object_ref_start|>", 320, more_samples=240, one_clip=True)


def _nemotron_h_omni() -> Processing:
    processor = transformers.NemotronH_Omni_Reasoning_V3Processor(
        transformers.NemotronH_Omni_Reasoning_V3ImageProcessor(),
        transformers.NemotronH_Omni_Reasoning_V3VideoProcessor(),
        tokenizer("<so_embedding>", "<so_start>", "<so_end>"),
        transformers.ParakeetFeatureExtractor(feature_size=MELS),
    )
    return Processing(processor, "<so_embedding>", 1280, more_samples=-160)


PROCESSINGS: dict[str, tuple[Callable[[], Processing], str]] = {
    "qwen2_audio": (_qwen2_audio, ""),
    "qwen2_5_omni": (_qwen2_5_omni, "torchvision"),
    "qwen2_5_omni_thinker": (_qwen2_5_omni, "torchvision"),
    "qwen3_omni_moe": (_qwen3_omni_moe, "torchvision"),
    "qwen3_omni_moe_thinker": (_qwen3_omni_moe, "torchvision"),
    "audioflamingo3": (_audioflamingo3, ""),
    "musicflamingo": (_musicflamingo, ""),
    "phi4_multimodal": (_phi4_multimodal, "torchvision"),
    "gemma3n": (_gemma3n, "torchvision"),
    "gemma4": (_gemma4, "torchvision"),
    "granite_speech": (_granite_speech, "torchaudio"),
    "granite_speech_plus": (_granite_speech, "torchaudio"),
    "glmasr": (_glmasr, ""),
    "qwen3_asr": (_qwen3_asr, ""),
    "vibevoice_asr": (_vibevoice_asr, ""),
    "fun_asr_nano": (_fun_asr_nano, "torchaudio"),
    "moss_transcribe_diarize": (_moss_transcribe_diarize, ""),
    "nemotron_h_omni": (_nemotron_h_omni, "torchvision"),
}
"""By family: what builds its processor, and the package that it needs besides Transformers."""

NEEDS = {name: needs for name, (_, needs) in PROCESSINGS.items()} | {"voxtral": "mistral-common"}
"""The package that a family's processor needs besides Transformers; "" for none."""


def processing_of(model_type: str) -> Processing:
    """Build a family's processor; skip the test if a package for it is not installed."""
    build, needs = PROCESSINGS[model_type]
    for package in (needs, "PIL") if needs else ():
        pytest.importorskip(package)
    return build()
