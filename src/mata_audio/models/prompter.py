"""Putting questions about clips to a model: from text and sound to its inputs."""

from __future__ import annotations

import base64
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import astuple, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.families import Hearing, PromptStyle, follow
from mata_audio.models.audio import Decoded, decode_audio, load_audio
from mata_audio.models.chat_template import Chat, Turn, turns, written
from mata_audio.models.finding import Found
from mata_audio.models.load_errors import explained
from mata_audio.models.loading import Loaded, load_processor, sound_extractor
from mata_audio.shown.one_line import OneLine
from mata_audio.tiny import TINY

Clip = NDArray[np.float32]

MIN_FRAMES = 7
"""Fewest mel frames for two audio tokens in Whisper-like encoders, which halve frames twice.
To Transformers, a clip of one token looks like a legacy prompt of Qwen2-Audio."""

TINY_STYLE = PromptStyle(audio_first=False)
"""The embedded model was trained with the question before the clip."""


@dataclass(frozen=True)
class ClipLimits:
    """Which clips a model hears whole: sampling rate in Hz, shortest and longest in seconds.

    ``longest`` is None if there is no limit.
    """

    sampling_rate: int
    shortest: float
    longest: float | None


@dataclass(frozen=True)
class Prompter(OneLine):
    """Puts questions to one model.

    Args:
        name: the model's name in messages.
        processor: the model's processor.
        hearing: which clips the processor takes.
        style: how a question is put.
    """

    name: str
    processor: Any
    hearing: Hearing
    style: PromptStyle

    @classmethod
    def of(cls, model: Found | Loaded) -> Prompter:
        """Return the prompter of a model; loads the processor of one that is only found.

        Families whose prompts mistral-common writes get :class:`MistralPrompter`.

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
        """The limits for clips."""
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
        """What decides how prompts are written: the processor's or tokenizer's chat template."""
        template: str = self.processor.chat_template or self.processor.tokenizer.chat_template
        return template

    def decode(
        self, source: Path | bytes, name: str, cut: bool = False, most: float | None = None
    ) -> Decoded:
        """Return a clip as the model hears it, from a file or from its bytes.

        Args:
            source: an existing file, or the bytes of one.
            name: its name in messages.
            cut: hear the beginning of a clip that is too long, instead of refusing it.
            most: longest clip that is then taken, in seconds.

        Raises:
            AudioError: as for :func:`mata_audio.models.audio.decode_audio`, with :attr:`limits`.
        """
        rate, shortest, longest = astuple(self.limits)
        return decode_audio(source, name, rate, shortest, longest, cut, most)

    def load_clip(self, path: str | Path, cut: bool = False) -> Decoded:
        """Return a clip as the model hears it, from a file that a user named.

        Args:
            path: the file.
            cut: hear the beginning of a clip that is too long, instead of refusing it.

        Raises:
            AudioError: as for :func:`mata_audio.models.audio.load_audio`, with :attr:`limits`.
        """
        rate, shortest, longest = astuple(self.limits)
        return load_audio(path, rate, shortest, longest, cut)

    def inputs(
        self, questions: Sequence[str], clips: Sequence[Sequence[Clip]], side: str = "left"
    ) -> dict[str, Tensor]:
        """Return the model inputs for questions, each about its clips, as one batch.

        Args:
            questions: one for each prompt.
            clips: the clips of each prompt.
            side: the side on which shorter prompts are padded, "left" or "right".

        Raises:
            SettingsError: a question is empty, contains the audio token, or has more clips than the
                model takes.
            ModelLoadError: as for :meth:`text`.
        """
        texts = [
            self.text(question, len(about))
            for question, about in zip(questions, clips, strict=True)
        ]
        return self._processed(texts, [clip for about in clips for clip in about], side)

    def conversation(self, messages: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return the model inputs for a conversation, as a batch of one.

        Args:
            messages: each with a ``role`` and a ``content`` of parts: ``{"type": "text", "text":
                ...}`` or ``{"type": "audio", "audio": clip}``.

        Raises:
            SettingsError: there are more clips than the model takes.
            ModelLoadError: the chat template does not write all texts and clips.
        """
        said, clips = self._turns(messages)
        return self._processed([self._chat.write(said)], clips, "left")

    def _turns(self, messages: Sequence[Mapping[str, Any]]) -> tuple[list[Turn], list[Clip]]:
        parts = [part for message in messages for part in message["content"]]
        clips = [part["audio"] for part in parts if part["type"] == "audio"]
        self.check_clips(len(clips))
        said = [
            Turn(message["role"], tuple(part.get("text") for part in message["content"]))
            for message in messages
        ]
        return said, clips

    def _processed(self, texts: list[str], clips: list[Clip], side: str) -> dict[str, Tensor]:
        inputs = self.processor(
            text=texts,
            audio=clips or None,
            text_kwargs={"padding": True, "padding_side": side},
            audio_kwargs={"sampling_rate": self.limits.sampling_rate},
            return_tensors="pt",
        )
        return dict(inputs)

    def text(self, question: str, clips: int) -> str:
        """Return the text of a prompt, with one audio token for each of ``clips`` clips.

        Raises:
            SettingsError: the question is empty or contains the audio token, or there are more
                clips than the model takes.
            ModelLoadError: the chat template does not write the question and the clips.
        """
        self._check(question, clips)
        return self._chat.text(question, clips)

    def check_clips(self, clips: int) -> None:
        """Check the number of clips in a prompt.

        Raises:
            SettingsError: the model takes fewer.
        """
        if self.hearing.clips is not None and clips > self.hearing.clips:
            raise SettingsError(
                f"{self.name} takes at most {self.hearing.clips} clip in a prompt; got {clips}"
            )

    def unknown_words(self, question: str) -> list[str]:
        """Return the words for which the tokenizer has no token."""
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
        """Refuse what the model cannot take; errors as for :meth:`text`."""
        token = self.processor.audio_token
        if not question.strip():
            raise SettingsError("the question is empty: ask something about the clip")
        if token in question:
            raise SettingsError(
                f"the question must not contain the model's audio token {token}: leave it out"
            )
        self.check_clips(clips)


class MistralPrompter(Prompter):
    """Puts questions through mistral-common; arguments as for :class:`Prompter`."""

    @property
    def template(self) -> str:
        """A prompt, as there is no template: mistral-common chooses by the version of a file."""
        return self.text("?", 1)

    def inputs(
        self, questions: Sequence[str], clips: Sequence[Sequence[Clip]], side: str = "left"
    ) -> dict[str, Tensor]:
        """Return the model inputs for one batch; arguments and errors as for :class:`Prompter`."""
        rows, sounds = [], []
        for question, about in zip(questions, clips, strict=True):
            self._check(question, len(about))
            prompt = self._write(self.processor, turns(self.style, question, len(about)), about)
            rows.append({name: prompt[name][0] for name in ("input_ids", "attention_mask")})
            sounds += [prompt["input_features"]] if about else []
        padded = self.processor.tokenizer.pad(
            rows, padding=True, padding_side=side, return_tensors="pt"
        )
        return {**padded, **({"input_features": torch.cat(sounds)} if sounds else {})}

    def conversation(self, messages: Sequence[Mapping[str, Any]]) -> dict[str, Tensor]:
        """Return the model inputs for a conversation; arguments and errors as for its base."""
        said, clips = self._turns(messages)
        return dict(self._write(self.processor, said, clips))

    def text(self, question: str, clips: int) -> str:
        """Return the text of a prompt about ``clips`` short clips; errors as for :class:`Prompter`.

        Of each clip's many tokens, one is shown.
        """
        self._check(question, clips)
        tokenizer, token = self.processor.tokenizer, re.escape(self.processor.audio_token)
        silence = np.zeros(self.limits.sampling_rate, np.float32)
        prompt = self._write(tokenizer, turns(self.style, question, clips), [silence] * clips)
        text: str = tokenizer.decode(prompt["input_ids"], skip_special_tokens=False)
        return re.sub(f"({token})+", r"\1", text)

    def _write(self, writer: Any, said: Sequence[Turn], clips: Sequence[Clip]) -> Any:
        """Return what ``writer``, the processor or its tokenizer, makes of turns and clips."""
        audio = [[{"type": "audio", "base64": self._as_url(clip)}] for clip in clips]
        messages = written(said, audio, lambda words: [{"type": "text", "text": words}])
        with explained(f"mistral-common does not write this prompt of {self.name}"):
            return writer.apply_chat_template(messages)

    def _as_url(self, clip: Clip) -> str:
        """Return a clip as the data URL of a WAV file with the same float32 samples.

        Without ``data:``, mistral-common would first look for a file of that name.
        """
        file = io.BytesIO()
        soundfile.write(file, clip, self.limits.sampling_rate, format="WAV", subtype="FLOAT")
        return "data:audio/wav;base64," + base64.b64encode(file.getvalue()).decode()
