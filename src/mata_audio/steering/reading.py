"""Batches of prompts that a steered model reads or has read."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.steering.prompt import Prompt, on_host
from mata_audio.steering.prompt_finder import PromptFinder

_EMBEDDING = -1
"""Stands for a token that was given as an embedding."""

_UNKNOWN = -2
"""Stands for a token of an earlier answer, which nobody noted."""


@dataclass(eq=False)
class Reading:
    """A batch of prompts that the model reads or has read.

    Args:
        prompt: the prompts.
        ids: their token ids, shape ``(batch, width)``; those of :func:`token_ids`.
        number: index of their entry in the receipt.
        by_generate: whether ``generate`` read them, so that their end is known.
        unsteered: number of slots that were filled without the intervention.
        continues: whether all that follows the prompt is its answer, because ``adopt`` named it.
        row_state: what the model keeps of these prompts outside the cache.
    """

    prompt: Prompt
    ids: NDArray[np.int64]
    number: int
    by_generate: bool = False
    unsteered: int = 0
    continues: bool = False
    row_state: Tensor | None = None

    def has(self, ids: NDArray[np.int64], past: int) -> bool:
        """Whether ``ids``, shape ``(batch, tokens)``, are the prompt's own tokens from ``past`` on.

        The batch may be larger than the prompt's, which has several beams then; tokens after the
        prompt may be any.
        """
        own = self.ids[:, past : past + ids.shape[1]]
        if ids.shape[0] % own.shape[0]:
            return False
        own = own.repeat(ids.shape[0] // own.shape[0], axis=0)
        return bool(((ids[:, : own.shape[1]] == own) | (own == _UNKNOWN)).all())

    def of_any_sample(self) -> Reading | None:
        """Return the reading of one sample, if all have the same prompt layout; else None."""
        prompt = self.prompt.one()
        if prompt is None:
            return None
        state = None if self.row_state is None else self.row_state[:1]
        return replace(self, prompt=prompt, ids=self.ids[:1], row_state=state)


class Readings:
    """All prompts of one attachment.

    Args:
        finder: finds their audio and their end.
    """

    def __init__(self, finder: PromptFinder) -> None:
        self.finder = finder
        self.audio_tokens: list[tuple[int, ...]] = []
        self.unfinished: dict[int, str] = {}
        """Prompts that end beyond what was read of them: by their number, what is missing."""

    def new(self, ids: Tensor, mask: Any) -> Reading:
        """Return the reading of new prompts; arguments and errors of :class:`PromptFinder`."""
        own = on_host(ids)
        reading = Reading(self.finder.new(own, mask), own, len(self.audio_tokens))
        self.audio_tokens.append(reading.prompt.audio_tokens)
        return self._noted(reading)

    def longer(self, earlier: Reading, ids: Tensor, mask: Any, past: int) -> Reading:
        """Return the reading of ``ids`` after the first ``past`` slots of ``earlier``."""
        before = np.full((ids.shape[0], past), _UNKNOWN)
        known = earlier.ids[:, :past]
        before[:, : known.shape[1]] = known.repeat(ids.shape[0] // known.shape[0], axis=0)
        whole = np.concatenate([before, on_host(ids)], axis=1)
        reading = replace(
            earlier,
            prompt=self.finder.longer(earlier.prompt, whole, mask, past),
            ids=whole,
            by_generate=False,
        )
        self.audio_tokens[reading.number] = reading.prompt.audio_tokens
        return self._noted(reading)

    def forget_latest(self) -> None:
        """Forget the prompts that were noted last, because they are refused."""
        self.audio_tokens.pop()

    def _noted(self, reading: Reading) -> Reading:
        missing = self.finder.unread(reading.prompt)
        if missing is None:
            self.unfinished.pop(reading.number, None)
        else:
            self.unfinished[reading.number] = missing
        return reading


def token_ids(ids: Tensor | None, batch: int, tokens: int) -> Tensor:
    """Return ``ids``, or what stands for them if the tokens were given as embeddings."""
    return torch.full((batch, tokens), _EMBEDDING) if ids is None else ids
