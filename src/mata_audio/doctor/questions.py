"""Short prompts about synthesised clips or pictures, made by the user's own processor."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from mata_audio.models.chat_template import Chat
from mata_audio.models.prompter import Clip, ClipLimits, Prompter

if TYPE_CHECKING:
    from mata_audio.models.loading import Loaded

Picture = NDArray[np.uint8]

_ABOUT_CLIPS = ("Which sound is this?", "Which of the two clips is longer?", "No clip here.")
_ABOUT_PICTURES = ("What is in this picture?", "Which of the two is brighter?", "No picture here.")

# What each prompt holds, as sets of prompts to try. The first set shows most, but some processors
# take only one clip in each text, or no text without one.
_SECONDS: tuple[tuple[tuple[float, ...], ...], ...] = (
    ((1.5,), (0.6, 1.0), ()),
    ((1.5,), (0.6,), ()),
    ((1.5,), (0.6,)),
    ((1.5,),),
)
_PICTURES = ((1, 2, 0), (1, 2), (1,))


class Questions(NamedTuple):
    """A set of prompts for one model.

    Args:
        counts: number of clips or pictures in each prompt.
        make: returns the model's arguments for some prompts, by number, padded on "left" or
            "right".
    """

    counts: tuple[int, ...]
    make: Callable[[Sequence[int], str], dict[str, Any]]


def clip_questions(loaded: Loaded) -> Questions:
    """Return the first set of prompts about clips that the processor takes.

    Raises:
        Exception: the processor's error, if it does not even take one question about one clip.
    """
    prompter = Prompter.of(loaded)

    def questions(seconds: Sequence[Sequence[float]]) -> Questions:
        clips = [[_clip(prompter.limits, s, i) for s in own] for i, own in enumerate(seconds)]

        def make(which: Sequence[int], side: str) -> dict[str, Any]:
            texts = [_ABOUT_CLIPS[i] for i in which]
            return prompter.inputs(texts, [clips[i] for i in which], side)

        return Questions(tuple(map(len, clips)), make)

    return _first_taken([questions(seconds) for seconds in _SECONDS])


def picture_questions(loaded: Loaded) -> Questions:
    """Return the first set of prompts about pictures that the processor takes.

    Raises:
        Exception: the processor's error, if it does not even take one question about one picture.
    """
    processor = loaded.processor
    chat = Chat(loaded.name, processor, loaded.family.prompt_style, "image", processor.image_token)

    def make(counts: Sequence[int], which: Sequence[int], side: str) -> dict[str, Any]:
        pictures = [[_picture(seed) for seed in range(counts[i])] for i in which]
        made = processor(
            text=[chat.text(_ABOUT_PICTURES[i], counts[i]) for i in which],
            images=pictures if any(pictures) else None,
            text_kwargs={"padding": True, "padding_side": side},
            return_tensors="pt",
        )
        return dict(made)

    return _first_taken([Questions(counts, partial(make, counts)) for counts in _PICTURES])


def _first_taken(sets: Sequence[Questions]) -> Questions:
    """Return the first of the sets that the processor takes; the last one's error is raised."""
    for questions in sets[:-1]:
        with suppress(Exception):
            questions.make(range(len(questions.counts)), "left")
            return questions
    last = sets[-1]
    last.make(range(len(last.counts)), "left")
    return last


def _clip(limits: ClipLimits, seconds: float, seed: int) -> Clip:
    """Return a tone in noise, always the same; shorter if the model takes only short clips."""
    if limits.longest is not None:
        seconds = max(limits.shortest, min(seconds, seconds * limits.longest / 2))
    count = int(np.ceil(seconds * limits.sampling_rate))
    time = np.arange(count) / limits.sampling_rate
    tone = 0.2 * np.sin(2 * np.pi * (300 + 200 * seed) * time)
    noise = 0.05 * np.random.default_rng(seed).standard_normal(count)
    return (tone + noise).astype(np.float32)


def _picture(seed: int) -> Picture:
    """Return a colour gradient with noise, always the same; every seed has a different size."""
    height, width = 96 + 32 * seed, 128
    random = np.random.default_rng(seed)
    slope = np.linspace(0, 200, width)[None, :, None] * np.array([1.0, 0.6, 0.3])
    noise = random.integers(0, 56, (height, width, 3))
    return (slope + noise).astype(np.uint8)
