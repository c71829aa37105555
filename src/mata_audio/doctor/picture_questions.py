"""Short prompts about pictures drawn here, as the user's own processor makes them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from mata_audio.doctor.questions import first_taken
from mata_audio.models.chat_template import Chat

if TYPE_CHECKING:
    from mata_audio.models.loading import Loaded

_QUESTIONS = ("What is in this picture?", "Which of the two is brighter?", "No picture here.")

# Pictures of each prompt: first what shows most; some processors take no text without one.
_COUNTS = ((1, 2, 0), (1, 2), (1,))

Picture = NDArray[np.uint8]


@dataclass(frozen=True)
class PictureQuestions:
    """Questions about pictures for one model.

    Args:
        chat: writes them.
        clips: pictures of each prompt, shape (height, width, 3).
    """

    chat: Chat
    clips: tuple[tuple[Picture, ...], ...]

    @classmethod
    def of(cls, loaded: Loaded) -> PictureQuestions:
        """Return the first of the sets of prompts that the processor takes.

        Raises:
            Exception: of the processor, which does not even take one question about one picture.
        """
        processor, style = loaded.processor, loaded.family.prompt_style
        chat = Chat(loaded.name, processor, style, "image", processor.image_token)
        sets = [
            cls(chat, tuple(tuple(_picture(i) for i in range(count)) for count in counts))
            for counts in _COUNTS
        ]
        return first_taken(sets)

    def make(self, which: Sequence[int], side: str) -> dict[str, Any]:
        """Return the model inputs of some prompts, by number, padded on ``side``."""
        pictures = [list(self.clips[i]) for i in which]
        made = self.chat.processor(
            text=[self.chat.text(_QUESTIONS[i], len(self.clips[i])) for i in which],
            images=pictures if any(pictures) else None,
            text_kwargs={"padding": True, "padding_side": side},
            return_tensors="pt",
        )
        return dict(made)


def _picture(seed: int) -> Picture:
    """A slope of colour with noise, always the same; none is of the same size as another."""
    height, width = 96 + 32 * seed, 128
    random = np.random.default_rng(seed)
    slope = np.linspace(0, 200, width)[None, :, None] * np.array([1.0, 0.6, 0.3])
    noise = random.integers(0, 56, (height, width, 3))
    return (slope + noise).astype(np.uint8)
