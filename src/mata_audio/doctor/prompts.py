"""Short prompts about synthesised clips, as the user's own processor makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from mata_audio import asking
from mata_audio.asking import Clip, ClipLimits
from mata_audio.families import PromptStyle

if TYPE_CHECKING:
    from mata_audio.loading import Loaded

_QUESTIONS = ("Which sound is this?", "Which of the two clips is longer?", "No clip here.")

# Lengths of the clips of each prompt, in seconds: first what shows most; some processors take
# one clip in each text, and no text without one.
_LENGTHS: tuple[tuple[tuple[float, ...], ...], ...] = (
    ((1.5,), (0.6, 1.0), ()),
    ((1.5,), (0.6,), ()),
    ((1.5,), (0.6,)),
    ((1.5,),),
)


@dataclass(frozen=True)
class Prompts:
    """Questions about clips for one model.

    Args:
        processor: the model's own.
        style: how questions are put to it.
        clips: of each prompt.
    """

    processor: Any
    style: PromptStyle
    clips: tuple[tuple[Clip, ...], ...]

    @classmethod
    def of(cls, loaded: Loaded) -> Prompts:
        """Return the first of the sets of prompts that the processor takes.

        Raises:
            Exception: of the processor, which does not even take one question about one clip.
        """
        limits = asking.clip_limits(loaded.processor)
        for lengths in _LENGTHS:
            clips = tuple(tuple(_clip(limits, s, i) for s in own) for i, own in enumerate(lengths))
            made = cls(loaded.processor, asking.prompt_style(loaded), clips)
            try:
                made.make(range(len(clips)), "left")
            except Exception:
                if len(clips) == 1:
                    raise
            else:
                return made
        raise AssertionError("the last set is taken or raises")

    def make(self, which: Sequence[int], side: str) -> dict[str, Any]:
        """Return the model inputs of some prompts, by number, padded on ``side``."""
        if len(which) == 1 and self.clips[which[0]]:
            (one,) = which
            return asking.build_inputs(self.processor, self.style, _QUESTIONS[one], self.clips[one])
        texts = [
            asking.chat_prompt(self.processor, self.style, _QUESTIONS[i], len(self.clips[i]))
            for i in which
        ]
        sounds = [clip for i in which for clip in self.clips[i]]
        tokenizer = self.processor.tokenizer
        before, tokenizer.padding_side = tokenizer.padding_side, side
        try:
            inputs = self.processor(
                text=texts,
                audio=sounds or None,
                sampling_rate=self.processor.feature_extractor.sampling_rate,
                return_tensors="pt",
                padding=True,
            )
        finally:
            tokenizer.padding_side = before
        return dict(inputs)


def _clip(limits: ClipLimits, seconds: float, seed: int) -> Clip:
    """A tone in noise, always the same; shorter where the model hears less."""
    seconds = max(limits.shortest, min(seconds, seconds * limits.longest / 2))
    count = int(np.ceil(seconds * limits.sampling_rate))
    time = np.arange(count) / limits.sampling_rate
    tone = 0.2 * np.sin(2 * np.pi * (300 + 200 * seed) * time)
    noise = 0.05 * np.random.default_rng(seed).standard_normal(count)
    return (tone + noise).astype(np.float32)
