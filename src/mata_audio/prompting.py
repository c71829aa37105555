"""Putting questions about clips to a model: from words and sound to its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.audio import load_audio
from mata_audio.chat import Chat
from mata_audio.errors import SettingsError
from mata_audio.families import Hearing, PromptStyle, follow
from mata_audio.loading import TINY, Found, Loaded, load_processor, sound_extractor

Clip = NDArray[np.float32]

MIN_FRAMES = 7
"""Fewest mel frames that make two audio tokens, in Whisper-like encoders (two steps halve them).
A clip of one token looks to Transformers like a legacy prompt of Qwen2-Audio."""

TINY_STYLE = PromptStyle(audio_first=False)
"""The embedded model was trained with the question before the clip."""


@dataclass(frozen=True)
class ClipLimits:
    """What a model hears of a clip: sampling rate in Hz, least and greatest duration in seconds.

    ``longest`` is None where it hears clips of any length.
    """

    sampling_rate: int
    shortest: float
    longest: float | None


@dataclass(frozen=True)
class Prompter:
    """Puts questions to one model.

    Args:
        name: what to call the model in messages.
        processor: of the model.
        hearing: what the processor takes for sound.
        style: how a question is put.
    """

    name: str
    processor: Any
    hearing: Hearing
    style: PromptStyle

    @classmethod
    def of(cls, model: Found | Loaded) -> Prompter:
        """Return the prompter of a model; of a :class:`Found` one, the processor is loaded.

        Who writes the family's prompts decides its class.

        Raises:
            ModelLoadError: as :func:`mata_audio.loading.load_processor`.
        """
        style = TINY_STYLE if model.name == TINY else model.family.prompt_style
        processor = model.processor if isinstance(model, Loaded) else load_processor(model)
        parts = (model.name, processor, model.family.hearing, style)
        if model.family.prompts == "mistral-common":
            from mata_audio.mistral_prompting import MistralPrompter

            return MistralPrompter(*parts)
        return cls(*parts)

    @property
    def limits(self) -> ClipLimits:
        """What the model hears of a clip."""
        extractor = sound_extractor(self.processor)
        rate = extractor.sampling_rate
        hop = getattr(extractor, "hop_length", rate // 100)
        longest = self.hearing.longest
        if isinstance(longest, str):
            longest = follow(self.processor, longest)
        shortest = ((MIN_FRAMES - 1) * hop + 1) / rate
        return ClipLimits(rate, shortest, None if longest is None else float(longest))

    @property
    def template(self) -> str:
        """What decides how prompts are written: the chat template, wherever it lives."""
        template: str = self.processor.chat_template or self.processor.tokenizer.chat_template
        return template

    def load_clip(self, path: str | Path) -> Clip:
        """Read an audio file for the model, shape ``(samples,)``.

        Raises:
            AudioError: as for :func:`mata_audio.audio.load_audio`, with the model's limits.
        """
        limits = self.limits
        return load_audio(path, limits.sampling_rate, limits.shortest, limits.longest)

    def inputs(
        self, questions: Sequence[str], clips: Sequence[Sequence[Clip]], side: str = "left"
    ) -> dict[str, Tensor]:
        """Return the model inputs of questions, each about its clips, as one batch.

        Args:
            questions: one for each prompt.
            clips: of each prompt.
            side: where shorter prompts are padded, "left" or "right".

        Raises:
            SettingsError: a question is empty or holds the audio token, or has more clips than the
                model takes.
            ModelLoadError: as :meth:`text`.
        """
        texts = [
            self.text(question, len(own)) for question, own in zip(questions, clips, strict=True)
        ]
        inputs = self.processor(
            text=texts,
            audio=[clip for own in clips for clip in own] or None,
            text_kwargs={"padding": True, "padding_side": side},
            audio_kwargs={"sampling_rate": self.limits.sampling_rate},
            return_tensors="pt",
        )
        return dict(inputs)

    def text(self, question: str, clips: int) -> str:
        """Return the text of a prompt, with one audio token for each of ``clips`` clips.

        Raises:
            SettingsError: the question is empty or holds the audio token, or there are more clips
                than the model takes.
            ModelLoadError: the chat template does not write the question and the clips.
        """
        self._check(question, clips)
        return self._chat.text(question, clips)

    def unknown_words(self, question: str) -> list[str]:
        """Return the words that the tokenizer has no token for."""
        tokenizer = self.processor.tokenizer
        unknown = tokenizer.unk_token_id
        if unknown is None:
            return []
        words = question.split()
        return [
            word for word in words if unknown in tokenizer(word, add_special_tokens=False).input_ids
        ]

    @property
    def _chat(self) -> Chat:
        return Chat(self.name, self.processor, self.style, "audio", self.processor.audio_token)

    def _check(self, question: str, clips: int) -> None:
        """Refuse what no prompt is made of; errors as :meth:`text`."""
        token = self.processor.audio_token
        if not question.strip():
            raise SettingsError("the question is empty")
        if token in question:
            raise SettingsError(f"the question must not contain the model's audio token {token}")
        if self.hearing.clips is not None and clips > self.hearing.clips:
            raise SettingsError(
                f"{self.name} takes at most {self.hearing.clips} clip in a prompt; got {clips}"
            )
