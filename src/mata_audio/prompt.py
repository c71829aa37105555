"""Where a prompt's audio lies, where it ends, and which query rows are active.

The one rule (arXiv 2509.18816, section 2, "last token" at every step of cached generation): a query
row is active when its position is at or after the last prompt token. It holds for prefill with
either padding side, decoding, prefill in chunks, several speculative rows at once and
teacher-forced scoring.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from mata_audio.rows import Rows, Span, ragged


@dataclass(frozen=True)
class Prompt:
    """A batch of prompts, by cache slot. All tensors share one device.

    Args:
        audio: True where the slot holds an audio token, shape ``(batch, width)``.
        real: True where the slot is not padding, shape ``(batch, width)``.
        first_active: slot of the last prompt token of each sample, shape ``(batch,)``.
        audio_tokens: number of audio tokens of each sample.
        ends_together: whether every sample has audio and its last prompt token in the last slot.
    """

    audio: Tensor
    real: Tensor
    first_active: Tensor
    audio_tokens: tuple[int, ...]
    ends_together: bool

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
        # One transfer for all that Python must know.
        facts = torch.stack([audio.sum(dim=1), first_active]).tolist()
        together = all(facts[0]) and set(facts[1]) == {audio.shape[1] - 1}
        return cls(audio, real, first_active, tuple(facts[0]), together)

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
            self.ends_together,
        )

    def rows(self, past: int, queries: int) -> Rows | None:
        """Return the active rows of a pass over slots ``past`` to ``past + queries - 1``.

        None when there are none. Samples without audio have none: nothing would change.
        """
        heard = sum(1 for count in self.audio_tokens if count)
        if not heard or (self.ends_together and past + queries < self.width):
            return None
        if past >= self.width:  # in samples without audio these rows come out as they were
            return Span(0, queries, heard)
        if self.ends_together:
            return Span(self.width - 1 - past, queries, heard)
        slots = torch.arange(past, past + queries, device=self.audio.device)
        real = torch.ones(self.batch, queries, dtype=torch.bool, device=self.audio.device)
        known = self.real[:, past : past + queries]
        real[:, : known.shape[1]] = known
        active = real & (slots >= self.first_active[:, None]) & self.audio.any(dim=1)[:, None]
        found = ragged(active)
        return found if found.count else None
