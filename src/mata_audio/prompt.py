"""Where a prompt's audio lies, where it ends, and which query rows are active.

The one rule (arXiv 2509.18816, section 2, "last token" at every step of cached generation): a query
row is active when its position is at or after the last prompt token. It holds for prefill with either
padding side, decoding, prefill in chunks, several speculative rows at once and teacher-forced scoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Rows:
    """The active query rows of one forward pass.

    Args:
        index: row numbers within the pass, shape ``(batch, rows)``; None when every row is active.
        active: which of those are active (samples may have fewer than the batch's most), same
            shape; None when every row is active.
        count: active rows over the batch, in samples with audio.
    """

    index: Tensor | None
    active: Tensor | None
    count: int


@dataclass(frozen=True)
class Prompt:
    """A batch of prompts, by cache slot. All tensors share one device.

    Args:
        audio: True where the slot holds an audio token, shape ``(batch, width)``.
        real: True where the slot is not padding, shape ``(batch, width)``.
        first_active: slot of the last prompt token of each sample, shape ``(batch,)``.
        audio_tokens: number of audio tokens of each sample.
    """

    audio: Tensor
    real: Tensor
    first_active: Tensor
    audio_tokens: tuple[int, ...]

    @classmethod
    def build(cls, audio: Tensor, real: Tensor, length: Tensor | None = None) -> Prompt:
        """Make a prompt from its masks, both ``(batch, width)`` bool.

        Args:
            audio: audio slots.
            real: slots that are not padding.
            length: number of real prompt tokens of each sample, shape ``(batch,)``; None for all.
        """
        audio = audio & real
        seen = real.cumsum(dim=1)
        if length is None:
            length = seen[:, -1]
        first_active = (seen < length[:, None]).sum(dim=1)
        return cls(audio, real, first_active, tuple(audio.sum(dim=1).tolist()))

    @property
    def width(self) -> int:
        """Number of slots, padding included."""
        return self.audio.shape[1]

    @property
    def batch(self) -> int:
        """Number of samples."""
        return self.audio.shape[0]

    def expand(self, batch: int) -> Prompt:
        """Repeat each sample for its beams or return sequences, up to ``batch`` rows."""
        if batch == self.batch:
            return self
        times = batch // self.batch
        return Prompt(
            self.audio.repeat_interleave(times, dim=0),
            self.real.repeat_interleave(times, dim=0),
            self.first_active.repeat_interleave(times, dim=0),
            tuple(count for count in self.audio_tokens for _ in range(times)),
        )

    def rows(self, past: int, queries: int) -> Rows:
        """Return the active rows of a pass over slots ``past`` to ``past + queries - 1``."""
        if past >= self.width:
            heard = sum(1 for count in self.audio_tokens if count)
            return Rows(None, None, heard * queries)
        slots = torch.arange(past, past + queries, device=self.audio.device)
        real = torch.ones(self.batch, queries, dtype=torch.bool, device=self.audio.device)
        known = self.real[:, past : past + queries]
        real[:, : known.shape[1]] = known
        active = real & (slots >= self.first_active[:, None]) & self.audio.any(dim=1)[:, None]
        most = int(active.sum(dim=1).max())
        index = active.int().argsort(dim=1, descending=True, stable=True)[:, :most]
        chosen = active.gather(1, index)
        return Rows(index, chosen, int(chosen.sum()))
