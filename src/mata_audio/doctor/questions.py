"""Short prompts about synthesised clips, as the user's own processor makes them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol, TypeVar

import numpy as np

from mata_audio.models.prompter import Clip, ClipLimits, Prompter

if TYPE_CHECKING:
    from mata_audio.models.loading import Loaded

_QUESTIONS = ("Which sound is this?", "Which of the two clips is longer?", "No clip here.")

# Lengths of the clips of each prompt, in seconds: first what shows most; some processors take
# one clip in each text, and no text without one.
_LENGTHS: tuple[tuple[tuple[float, ...], ...], ...] = (
    ((1.5,), (0.6, 1.0), ()),
    ((1.5,), (0.6,), ()),
    ((1.5,), (0.6,)),
    ((1.5,),),
)


class Askable(Protocol):
    """ClipQuestions of one model."""

    @property
    def clips(self) -> Sequence[Sequence[Any]]:
        """Clips or pictures of each prompt."""

    def make(self, which: Sequence[int], side: str) -> dict[str, Any]:
        """Return the model inputs of some prompts, by number, padded on ``side``."""


Made = TypeVar("Made", bound=Askable)


def first_taken(sets: Sequence[Made]) -> Made:
    """Return the first of the sets of prompts that the model's processor takes.

    Raises:
        Exception: of the processor, which does not even take the last.
    """
    for made in sets[:-1]:
        with suppress(Exception):
            made.make(range(len(made.clips)), "left")
            return made
    last = sets[-1]
    last.make(range(len(last.clips)), "left")
    return last


@dataclass(frozen=True)
class ClipQuestions:
    """Questions about clips for one model.

    Args:
        prompter: puts them.
        clips: of each prompt.
    """

    prompter: Prompter
    clips: tuple[tuple[Clip, ...], ...]

    @classmethod
    def of(cls, loaded: Loaded) -> ClipQuestions:
        """Return the first of the sets of prompts that the processor takes.

        Raises:
            Exception: of the processor, which does not even take one question about one clip.
        """
        prompter = Prompter.of(loaded)
        limits = prompter.limits
        sets = [
            cls(
                prompter,
                tuple(tuple(_clip(limits, s, i) for s in own) for i, own in enumerate(lengths)),
            )
            for lengths in _LENGTHS
        ]
        return first_taken(sets)

    def make(self, which: Sequence[int], side: str) -> dict[str, Any]:
        """Return the model inputs of some prompts, by number, padded on ``side``."""
        questions = [_QUESTIONS[i] for i in which]
        return self.prompter.inputs(questions, [self.clips[i] for i in which], side)


def _clip(limits: ClipLimits, seconds: float, seed: int) -> Clip:
    """A tone in noise, always the same; shorter where the model hears less."""
    if limits.longest is not None:
        seconds = max(limits.shortest, min(seconds, seconds * limits.longest / 2))
    count = int(np.ceil(seconds * limits.sampling_rate))
    time = np.arange(count) / limits.sampling_rate
    tone = 0.2 * np.sin(2 * np.pi * (300 + 200 * seed) * time)
    noise = 0.05 * np.random.default_rng(seed).standard_normal(count)
    return (tone + noise).astype(np.float32)
