"""Where a prompt's audio lies, where it ends, and which query rows are active.

The one rule (arXiv 2509.18816, section 2, "last token" at every step of cached generation): a query
row is active when its position is at or after the last prompt token. It holds for prefill with
either padding side, decoding, prefill in chunks, several speculative rows at once and
teacher-forced scoring. A setting may choose other rows of the prompt: see :func:`changed_rows`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.notation.rows import LAST, PromptRows
from mata_audio.steering.active_rows import Rows, Span, ragged

HEARD = ""
"""Kind of the keys that a prompt's rows are to listen to, whatever they are called."""

Mask = NDArray[np.bool_]
Kinds = Mapping[str, Mask]


def on_host(values: Tensor) -> NDArray[Any]:
    """Return whole numbers or truth values in main memory, copied from where they are."""
    if values.is_floating_point():  # NumPy has no bfloat16
        values = values != 0
    return values.cpu().numpy()


def _no_kinds(_: Mask, __: Mask) -> Kinds:
    return {}


@dataclass(frozen=True, eq=False)
class Prompt:
    """A batch of prompts, by cache slot; in main memory, so that no device has to be asked.

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

    audio: Mask
    active: Mask
    audio_tokens: tuple[int, ...]
    tokens: tuple[int, ...]
    start: int | None
    kinds: Kinds = field(default_factory=dict)
    _on_device: dict[torch.device, Mapping[str, Tensor]] = field(
        default_factory=dict, init=False, repr=False
    )
    _expanded: dict[int, Prompt] = field(default_factory=dict, init=False, repr=False)

    @classmethod
    def build(
        cls,
        audio: Mask,
        real: Mask,
        length: NDArray[np.int64] | None = None,
        prompt_rows: PromptRows = LAST,
        find_kinds: Callable[[Mask, Mask], Kinds] = _no_kinds,
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
        place = real.cumsum(axis=1)  # 1 at each sample's first token
        length = place[:, -1] if length is None else length
        answer = real & (place > length[:, None])
        active = (
            changed_rows(prompt_rows, audio & ~answer, place * (real & ~answer), length) | answer
        )
        active &= audio.any(axis=1, keepdims=True)
        starts = active.argmax(axis=1).tolist()
        audio_tokens = tuple(audio.sum(axis=1).tolist())
        alike = bool((active == active[:1]).all()) and bool(active[0, starts[0] :].all())
        start = starts[0] if all(audio_tokens) and alike else None
        kinds = find_kinds(audio, real & ~answer)
        return cls(audio, active, audio_tokens, tuple(place[:, -1].tolist()), start, kinds)

    def on(self, device: torch.device) -> Mapping[str, Tensor]:
        """Return where the keys of each kind are, :data:`HEARD` for the audio, on a device.

        They are copied there together, once. Each is bool, shape ``(batch, width)``.
        """
        known = self._on_device.get(device)
        if known is None:
            kinds = {**self.kinds, HEARD: self.audio}
            copied = torch.from_numpy(np.stack(list(kinds.values()))).to(device)
            known = self._on_device[device] = dict(zip(kinds, copied.unbind(), strict=True))
        return known

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
        if batch not in self._expanded:
            self._expanded[batch] = Prompt(
                self.audio.repeat(times, axis=0),
                self.active.repeat(times, axis=0),
                tuple(count for count in self.audio_tokens for _ in range(times)),
                tuple(count for count in self.tokens for _ in range(times)),
                self.start,
                {name: mask.repeat(times, axis=0) for name, mask in self.kinds.items()},
            )
        return self._expanded[batch]

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

    def rows(self, past: int, queries: int, device: torch.device) -> Rows | None:
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
        active = self.audio.any(axis=1, keepdims=True).repeat(queries, axis=1)
        known = self.active[:, past : past + queries]
        active[:, : known.shape[1]] = known
        return ragged(active, device) if active.any() else None


def changed_rows(
    prompt_rows: PromptRows, audio: Mask, place: NDArray[np.int64], length: NDArray[np.int64]
) -> Mask:
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
        last_audio = np.where(audio, place, 0).max(axis=1, keepdims=True)
        return prompt & (place > np.minimum(last_audio, length - 1))
    chosen = np.zeros_like(prompt)
    for sample, tokens in enumerate(length.flatten().tolist()):
        drawn = _drawn(tokens, prompt_rows.count, prompt_rows.seed)
        chosen[sample] = np.isin(place[sample], drawn)
    return chosen


def _drawn(tokens: int, count: int, seed: int) -> NDArray[np.int64]:
    """Draw ``count`` of the places 1 to ``tokens``, with a separate generator."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(tokens, generator=generator)[:count].numpy() + 1
