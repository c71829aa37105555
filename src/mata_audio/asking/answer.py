"""An answer with what is shown of it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine, described, short
from mata_audio.steering.receipt import Receipt

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Word(OneLine):
    """One word of an answer.

    Args:
        text: as it stands in the answer, with the space around it.
        first: place of its first token in the answer, from 0.
        last: place of its last token.
    """

    text: str
    first: int
    last: int


@dataclass(frozen=True)
class FirstWord(OneLine):
    """A token that an answer might have begun with, and how likely that was."""

    text: str
    probability: float


@dataclass(frozen=True, eq=False)
class Heard(OneLine):
    """Where in the prompt's clips each token of an answer listened.

    A token's attention is that of the row that chose it: the last row of the prompt for the first
    token, the row of the token before for the others.

    Args:
        clips: clip of each step, from 0, shape ``(steps,)``. A step is one audio token; in prompts
            with very many, it is several.
        starts: where each step starts, in seconds from the start of its clip, same shape.
        ends: where it ends, same shape.
        weights: share of the row's attention on each step, shape ``(tokens, layers, heads,
            steps)``; zero in layers without attention.
    """

    clips: NDArray[np.int64]
    starts: Floats
    ends: Floats
    weights: NDArray[np.float32]

    def __repr__(self) -> str:
        tokens, layers, heads, steps = self.weights.shape
        size = f"{tokens:,} tokens x {layers} layers x {heads} heads x {steps:,} steps"
        return described(f"Heard: {size}")

    def along_time(
        self,
        word: Word | None = None,
        layers: Sequence[int] | None = None,
        heads: Sequence[int] | None = None,
    ) -> Floats:
        """Return the share of attention on each step, shape ``(steps,)``.

        Args:
            word: a word of the answer; None for the mean over all tokens.
            layers: those that are averaged; None for all.
            heads: those that are averaged; None for all.
        """
        chosen = _of(self._tokens(word), 1, layers)
        mean: Floats = _of(chosen, 2, heads).mean(axis=(0, 1, 2), dtype=np.float64)
        return mean

    def by_head(self, word: Word | None = None, clip: int | None = None) -> Floats:
        """Return the share of attention on the clips, shape ``(layers, heads)``.

        Args:
            word: a word of the answer; None for the mean over all tokens.
            clip: one clip; None for all of them.
        """
        steps = slice(None) if clip is None else self.clips == clip
        share = self._tokens(word)[..., steps].sum(axis=3, dtype=np.float64)
        mean: Floats = share.mean(axis=0)
        return mean

    def _tokens(self, word: Word | None) -> NDArray[np.float32]:
        return self.weights if word is None else self.weights[word.first : word.last + 1]


@dataclass(frozen=True, eq=False)
class Answer(OneLine, InHtml):
    """A greedy answer under one setting.

    Args:
        name: the setting's name, or "baseline".
        text: without special tokens and surrounding space.
        tokens: the answer's tokens, without the one that ends it.
        words: the words of the text, in order.
        first_words: what the answer might have begun with, likeliest first.
        heard: where it listened; None if no attention can be shown, or none was asked for.
        why_not: why no attention can be shown; empty if it can.
        receipt: what the setting did; None for the baseline.
        layers: the layers that the setting steers.
        seconds: how long it took.
    """

    name: str
    text: str
    tokens: tuple[int, ...]
    words: tuple[Word, ...]
    first_words: tuple[FirstWord, ...]
    heard: Heard | None
    why_not: str
    receipt: Receipt | None
    layers: tuple[int, ...]
    seconds: float

    def __repr__(self) -> str:
        first = ", ".join(
            f"{short(own.text, 12)!r} {own.probability:.1%}" for own in self.first_words[:2]
        )
        likely = f"; first words {first}" if first else ""
        return described(f"Answer under {short(self.name, 24)}: {short(self.text)!r}{likely}")

    @property
    def likeliest(self) -> dict[str, float]:
        """The probability of each first word by its text, likeliest first.

        Several tokens may be written alike, such as bytes that are no letter by themselves: then it
        is the likeliest of them.
        """
        found: dict[str, float] = {}
        for own in self.first_words:
            found.setdefault(own.text, own.probability)
        return found


def _of(
    weights: NDArray[np.float32], axis: int, chosen: Sequence[int] | None
) -> NDArray[np.float32]:
    return weights if chosen is None else weights.take(list(chosen), axis=axis)
