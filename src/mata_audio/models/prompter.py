"""Putting questions about clips to a model: from words and sound to its inputs."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.errors import ModelLoadError, SettingsError
from mata_audio.families import Hearing, PromptStyle, follow
from mata_audio.models.audio import load_audio
from mata_audio.models.chat_template import Chat
from mata_audio.models.finding import Found
from mata_audio.models.load_errors import reason
from mata_audio.models.loading import Loaded, load_processor, sound_extractor
from mata_audio.tiny import TINY

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
            ModelLoadError: as :func:`mata_audio.models.loading.load_processor`.
        """
        style = TINY_STYLE if model.name == TINY else model.family.prompt_style
        processor = model.processor if isinstance(model, Loaded) else load_processor(model)
        parts = (model.name, processor, model.family.hearing, style)
        if model.family.prompts == "mistral-common":
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
            AudioError: as for :func:`mata_audio.models.audio.load_audio`, with the model's limits.
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


class MistralPrompter(Prompter):
    """Puts questions as conversations, with each clip inside; arguments as for its parent."""

    @property
    def template(self) -> str:
        """A prompt, since there is no template: mistral-common writes by the version of a file."""
        return self.text("?", 1)

    def inputs(
        self, questions: Sequence[str], clips: Sequence[Sequence[Clip]], side: str = "left"
    ) -> dict[str, Tensor]:
        """Return the model inputs of one batch; arguments and errors as for the parent's."""
        rows, sounds = [], []
        for question, own in zip(questions, clips, strict=True):
            self._check(question, len(own))
            made = self._written(self.processor, question, own)
            rows.append({name: made[name][0] for name in ("input_ids", "attention_mask")})
            sounds += [made["input_features"]] if own else []
        padded = self.processor.tokenizer.pad(
            rows, padding=True, padding_side=side, return_tensors="pt"
        )
        return {**padded, **({"input_features": torch.cat(sounds)} if sounds else {})}

    def text(self, question: str, clips: int) -> str:
        """Return the text of a prompt about ``clips`` short clips; errors as for the parent's.

        The tokens of a clip are many; one is shown.
        """
        self._check(question, clips)
        tokenizer, token = self.processor.tokenizer, re.escape(self.processor.audio_token)
        silence = np.zeros(self.limits.sampling_rate, np.float32)
        made = self._written(tokenizer, question, [silence] * clips)
        text: str = tokenizer.decode(made["input_ids"], skip_special_tokens=False)
        return re.sub(f"({token})+", r"\1", text)

    def _written(self, writer: Any, question: str, clips: Sequence[Clip]) -> Any:
        """Return what the processor, or its tokenizer alone, makes of a conversation."""
        audio = [{"type": "audio", "base64": self._as_url(clip)} for clip in clips]
        messages = self._chat.messages(
            question, audio, lambda words: [{"type": "text", "text": words}]
        )
        try:
            return writer.apply_chat_template(messages)
        except Exception as error:
            raise ModelLoadError(
                f"mistral-common does not write this prompt of {self.name}: {reason(error)}"
            ) from error

    def _as_url(self, clip: Clip) -> str:
        """Return a clip as the data URL of a WAV file of its own float32 samples.

        Without ``data:``, mistral-common would first look for a file of that name.
        """
        file = io.BytesIO()
        soundfile.write(file, clip, self.limits.sampling_rate, format="WAV", subtype="FLOAT")
        return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()
