"""The examples of the page: questions of the embedded benchmark, named for what they show."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from mata_audio.tiny.benchmark import TinyItem, make_item

OWN, BEST = "own", "best"
"""Which setting an example shows: that of the model's mata.json, or the best rule of our own."""


@dataclass(frozen=True)
class Example:
    """One example.

    Args:
        name: what it shows on the embedded model.
        index: number of its item in the test split.
        setting: the setting that shows it, :data:`OWN` or :data:`BEST`.
        baseline: whether the unmodified model answers right.
        steered: whether the setting does.
    """

    name: str
    index: int
    setting: str
    baseline: bool
    steered: bool

    @property
    def item(self) -> TinyItem:
        """The question, its choices, its right answer and how its clip is made."""
        return make_item("test", 0, self.index)

    @property
    def samples(self) -> NDArray[np.float32]:
        """The clip, 16 kHz, shape ``(samples,)``."""
        return self.item.waveform()


EXAMPLES = (
    Example("A high voice, called a giant's: MATA listens", 2192, OWN, False, True),
    Example("The word “see”, captioned “you”: MATA listens", 569, OWN, False, True),
    Example("A flute, captioned a fiddle: MATA listens", 887, OWN, False, True),
    Example("A falling melody, captioned as climbing: mass listens", 194, BEST, False, True),
    Example("Louder and louder, captioned as shrinking: mass listens", 659, BEST, False, True),
    Example("One beep, captioned as several: mass listens", 2060, BEST, False, True),
    Example("Slow music, captioned as racing: mass listens", 416, BEST, False, True),
    Example("A major chord, captioned as sad: mass listens", 1313, BEST, False, True),
    Example("A siren, no caption: nothing to correct", 2196, OWN, True, True),
    Example("Rising pitch, no caption: nothing to correct", 516, OWN, True, True),
    Example("A statement, captioned as a question: heard without help", 1367, OWN, True, True),
    Example("A rising melody: too much attention breaks the answer", 2388, BEST, True, False),
)

EXAMPLE_BY_NAME = {example.name: example for example in EXAMPLES}
