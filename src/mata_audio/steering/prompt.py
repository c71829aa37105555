"""Where a prompt's audio lies, where it ends, and which query rows are active.

The one rule (arXiv 2509.18816, section 2, "last token" at every step of cached generation): a query
row is active when its position is at or after the last prompt token. It holds for prefill with
either padding side, decoding, prefill in chunks, several speculative rows at once and
teacher-forced scoring. A setting may choose other rows of the prompt: see :func:`changed_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import torch
from torch import Tensor

from mata_audio.notation.rows import LAST, PromptRows
from mata_audio.steering.active_rows import Rows, Span, ragged

HEARD = ""
"""Kind of the keys that a prompt's rows are to listen to, whatever they are called."""


def _no_kinds(_: Tensor, __: Tensor) -> Mapping[str, Tensor]:
    return {}


@dataclass(frozen=True)
class Prompt:
    """A batch of prompts, by cache slot; all tensors are on one device.

    Args:
        audio: True where the slot holds an audio token, shape ``(batch, width)``.
        active: True where the slot's query row is active, shape ``(batch, width)``. Rows after
            these slots are always active.
        audio_tokens: number of audio tokens of each sample.
        tokens: number of tokens of each sample, padding not counted.
        start: first active slot, if every sample has audio and is active from this slot to the
            end; None otherwise.
        kinds: where keys of other kinds are, by their name, each of the shape of ``audio``.
    """

    audio: Tensor
    active: Tensor
    audio_tokens: tuple[int, ...]
    tokens: tuple[int, ...]
    start: int | None
    kinds: Mapping[str, Tensor] = field(default_factory=dict)

    @classmethod
    def build(
        cls,
        audio: Tensor,
        real: Tensor,
        length: Tensor | None = None,
        prompt_rows: PromptRows = LAST,
        find_kinds: Callable[[Tensor, Tensor], Mapping[str, Tensor]] = _no_kinds,
    ) -> Prompt:
        """Make a prompt from its masks, both ``(batch, width)`` bool.

        Args:
            audio: True at audio slots.
            real: True at slots that are not padding.
            length: number of real prompt tokens of each sample, shape ``(batch,)``; None for all
                real slots.
            prompt_rows: which rows of the prompt are active; samples without audio have none.
            find_kinds: returns ``kinds``, from where the audio and the prompt's own tokens are.
        """
        audio = audio & real
        place = real.cumsum(dim=1)  # 1 at each sample's first token
        length = place[:, -1] if length is None else length
        answer = real & (place > length[:, None])
        active = (
            changed_rows(prompt_rows, audio & ~answer, place * (real & ~answer), length) | answer
        )
        active &= audio.any(dim=1, keepdim=True)
        first = active.int().argmax(dim=1)
        # One transfer from the device for everything that Python needs to know.
        counts = torch.stack([audio.sum(dim=1), place[:, -1], first, active.sum(dim=1)])
        audio_tokens, tokens, starts, active_slots = counts.tolist()
        alike = len(set(starts)) == 1 and set(active_slots) == {audio.shape[1] - starts[0]}
        start = starts[0] if all(audio_tokens) and alike else None
        kinds = find_kinds(audio, real & ~answer)
        return cls(audio, active, tuple(audio_tokens), tuple(tokens), start, kinds)

    def keys(self, kind: str) -> Tensor:
        """Return where the keys of ``kind`` are: in ``kinds``, or else the audio."""
        return self.kinds.get(kind, self.audio)

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
            self.active.repeat_interleave(times, dim=0),
            tuple(count for count in self.audio_tokens for _ in range(times)),
            tuple(count for count in self.tokens for _ in range(times)),
            self.start,
            {name: mask.repeat_interleave(times, dim=0) for name, mask in self.kinds.items()},
        )

    def one(self) -> Prompt | None:
        """Return the prompt of one sample, if all samples have the same keys and active rows."""
        first = Prompt(
            self.audio[:1],
            self.active[:1],
            self.audio_tokens[:1],
            self.tokens[:1],
            self.start,
            {name: mask[:1] for name, mask in self.kinds.items()},
        )
        masks = (self.audio, self.active, *self.kinds.values())
        return first if all(bool((mask == mask[:1]).all()) for mask in masks) else None

    def rows(self, past: int, queries: int) -> Rows | None:
        """Return the active rows of a pass over slots ``past`` to ``past + queries - 1``.

        None when there are none. Samples without audio have none, as nothing would change there.
        """
        with_audio = sum(1 for count in self.audio_tokens if count)
        if not with_audio:
            return None
        if past >= self.width:  # in samples without audio, these rows come out unchanged
            return Span(0, queries, with_audio)
        if self.start is not None:
            first = max(self.start - past, 0)
            return Span(first, queries, with_audio) if first < queries else None
        active = self.audio.any(dim=1, keepdim=True).repeat(1, queries)
        known = self.active[:, past : past + queries]
        active[:, : known.shape[1]] = known
        found = ragged(active)
        return found if found.count else None


def changed_rows(prompt_rows: PromptRows, audio: Tensor, place: Tensor, length: Tensor) -> Tensor:
    """Return which prompt slots have active query rows, shape ``(batch, slots)``, bool.

    Args:
        prompt_rows: which rows of a prompt the setting changes.
        audio: True at the prompt's audio tokens, shape ``(batch, slots)``.
        place: place of each prompt token in its prompt, counted from 1; 0 at padding and after
            the prompt; same shape.
        length: tokens of each prompt, shape ``(batch,)``. A prompt that is fed in pieces is longer
            than what is in the slots.
    """
    length, prompt = length[:, None], place > 0
    if prompt_rows.kind == "all":
        return prompt
    if prompt_rows.kind == "last":
        return prompt & (place > length - prompt_rows.count)
    if prompt_rows.kind == "after-audio":
        last_audio = torch.where(audio, place, 0).amax(dim=1, keepdim=True)
        return prompt & (place > last_audio.minimum(length - 1))
    chosen = torch.zeros_like(prompt)
    for sample, tokens in enumerate(length.flatten().tolist()):
        drawn = _drawn(tokens, prompt_rows.count, prompt_rows.seed).to(place.device)
        chosen[sample] = torch.isin(place[sample], drawn)
    return chosen


def _drawn(tokens: int, count: int, seed: int) -> Tensor:
    """Draw ``count`` of the places 1 to ``tokens``, with a separate generator."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(tokens, generator=generator)[:count] + 1
