"""Real processors around a tokenizer of a hundred words: for families whose need no hub files.

The others need torchvision (Gemma, Phi-4, Nemotron and the Omni models, for pictures), torchaudio
(Granite Speech, Fun-ASR-Nano) or mistral-common (Voxtral).
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import transformers
from tokenizers import Tokenizer, pre_tokenizers
from tokenizers.models import WordLevel

from mata_audio.small_models.configs import MELS
from mata_audio.small_models.small_model import (
    AUDIO,
    AUDIO_END,
    AUDIO_START,
    EOS,
    PAD,
    TEXT,
    VOCABULARY,
    Clip,
    Sample,
)


@dataclass(frozen=True)
class Processing:
    """A family's processor, and how it is asked.

    Args:
        processor: of the real class.
        placeholder: stands for a clip in a text.
        samples_per_token: sound samples that come to one audio token.
        rate: sampling rate.
        one_clip: whether the processor takes texts with one clip each alone.
        audio_options: further arguments for the sound.
    """

    processor: Any
    placeholder: str
    samples_per_token: int
    rate: int = 16_000
    one_clip: bool = False
    audio_options: dict[str, Any] = field(default_factory=dict)

    def inputs(self, samples: Sequence[Sample], side: str = "left") -> dict[str, Any]:
        """Return what the processor makes of prompts, all with clips, as one padded batch."""
        texts, sounds = [], []
        for sample in samples:
            words = [f"w{TEXT[i % len(TEXT)]}" for i in range(sample.text)]
            clips = [self.placeholder] * len(sample.clips)
            texts.append(" ".join([*words[:2], *clips, *words[2:]]))
            for i, tokens in enumerate(sample.clips):
                clip = Clip(tokens, 100 * sample.seed + i)
                sounds.append(0.1 * clip.noise(tokens * self.samples_per_token).numpy())
        made = self.processor(
            text=texts,
            audio=sounds,
            text_kwargs={"padding": True, "padding_side": side},
            audio_kwargs={"sampling_rate": self.rate, **self.audio_options},
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
    named = {PAD: "<pad>", EOS: "<eos>", AUDIO: audio, AUDIO_START: start, AUDIO_END: end}
    vocabulary = {named.get(i, f"w{i}"): i for i in range(VOCABULARY)}
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
        },
        padding_side="left",
    )


def _whisper(seconds: int = 1) -> Any:
    return transformers.WhisperFeatureExtractor(feature_size=MELS, chunk_length=seconds)


def _qwen2_audio() -> Processing:
    words = tokenizer("<|AUDIO|>", "<|audio_bos|>", "<|audio_eos|>")
    processor = transformers.Qwen2AudioProcessor(_whisper(), words)
    return Processing(processor, "<|audio_bos|><|AUDIO|><|audio_eos|>", 640)


def _audioflamingo3() -> Processing:
    processor = transformers.AudioFlamingo3Processor(_whisper(), tokenizer("<sound>"))
    return Processing(processor, "<sound>", 640, one_clip=True)


def _musicflamingo() -> Processing:
    words = tokenizer("<sound>", "<|sound_bos|>", "<|sound_eos|>")
    processor = transformers.MusicFlamingoProcessor(_whisper(), words)
    return Processing(processor, "<sound>", 640, one_clip=True)


def _glmasr() -> Processing:
    processor = transformers.GlmAsrProcessor(_whisper(), tokenizer("<|pad|>"))
    # Its encoder's frames must come in fours: what 30 seconds do, and a small second does not.
    return Processing(processor, "<|pad|>", 1280, one_clip=True, audio_options={"padding": True})


def _qwen3_asr() -> Processing:
    extractor = transformers.Qwen3ASRFeatureExtractor(feature_size=MELS, min_length=160)
    processor = transformers.Qwen3ASRProcessor(extractor, tokenizer("<|audio_pad|>"))
    return Processing(processor, "<|audio_pad|>", 1280, one_clip=True)


def _moss_transcribe_diarize() -> Processing:
    words = tokenizer("<|audio_pad|>", "<|audio_start|>", "<|audio_end|>")
    extractor = transformers.MossTranscribeDiarizeFeatureExtractor(
        feature_size=MELS, chunk_length=1
    )
    processor = transformers.MossTranscribeDiarizeProcessor(extractor, words)
    return Processing(processor, "<|audio_pad|>", 1280, one_clip=True)


def _vibevoice_asr() -> Processing:
    words = tokenizer("<|box_start|>", "<|object_ref_start|>", "<|object_ref_end|>")
    extractor = transformers.VibeVoiceAcousticTokenizerFeatureExtractor()
    processor = transformers.VibeVoiceAsrProcessor(extractor, words)
    return Processing(
        processor,
        "<|box_start|>",
        4,
        24_000,
        audio_options={"padding": True, "pad_to_multiple_of": 4},
    )


PROCESSINGS: dict[str, Callable[[], Processing]] = {
    "qwen2_audio": _qwen2_audio,
    "audioflamingo3": _audioflamingo3,
    "musicflamingo": _musicflamingo,
    "glmasr": _glmasr,
    "qwen3_asr": _qwen3_asr,
    "moss_transcribe_diarize": _moss_transcribe_diarize,
    "vibevoice_asr": _vibevoice_asr,
}
"""By family; the small models of the others are asked with token ids and features made here."""
