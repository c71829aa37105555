"""How the changed rows listen: raw audio scores below zero, and the attention that audio gets."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mata_audio.steering.active_rows import Rows
from mata_audio.steering.attention import RowAttention, unchanged_weights

MAX_PENDING = 2**23
"""Most scores of one pass kept to be counted together; bounds the memory."""
MAX_KEPT = 2**25
"""Most bytes of earlier passes kept until somebody wants to know."""


@dataclass(frozen=True)
class Listening:
    """Sums over the active rows of the passes that read a prompt, in steered layers and heads.

    Args:
        negative_scores: raw audio scores below zero. ``multiply`` lowers attention to these.
        audio_scores: all raw audio scores.
        rows: active rows, each counted in every head that steers it.
        before: the share of attention that goes to audio without any change, added up over ``rows``
            from their own raw scores.
        after: the same from the weights that were used. Those of ``mass`` and ``value`` may add up
            to more than 1 a row.
    """

    negative_scores: int = 0
    audio_scores: int = 0
    rows: int = 0
    before: float = 0.0
    after: float = 0.0

    def __add__(self, other: Listening) -> Listening:
        """Return the sums over both."""
        pairs = zip(astuple(self), astuple(other), strict=True)
        return Listening(*(own + more for own, more in pairs))

    @property
    def negative_share(self) -> float | None:
        """Share of the raw audio scores below zero; None when there were none."""
        return self.negative_scores / self.audio_scores if self.audio_scores else None

    @property
    def mass_before(self) -> float | None:
        """Mean share of a row's attention on audio without any change; None without rows."""
        return self.before / self.rows if self.rows else None

    @property
    def mass_after(self) -> float | None:
        """The same as it was used."""
        return self.after / self.rows if self.rows else None


class Noted(NamedTuple):
    """What some rows of one layer attended to.

    Args:
        attended: their attention.
        gains: of each change, 0 in heads that do not steer, ``(batch, heads, 1, keys)``.
        audio: 1 at audio keys, shape ``(batch, 1, 1, keys)``.
        mask: bool or additive, as for :func:`~mata_audio.steering.attention.attend_rows`.
        softcap: as there.
        rows: which of the rows are active.
    """

    attended: RowAttention
    gains: tuple[Tensor, ...]
    audio: Tensor
    mask: Tensor | None
    softcap: float | None
    rows: Rows


class ListeningCounts:
    """Counts how rows listen, on the device, for all layers at once, when somebody asks."""

    def __init__(self) -> None:
        self._pending: list[Noted] = []
        self._scores = 0
        self._kept: list[Noted] = []
        self._kept_bytes = 0
        self._compiled = False
        self._totals: dict[tuple[torch.device, int], tuple[Tensor, Tensor]] = {}
        self._lock = threading.RLock()

    def add(self, noted: Noted) -> None:
        """Note what rows of one layer attended to."""
        if torch.compiler.is_compiling():  # the next pass may write to the same memory
            self._compiled = True
        self._pending.append(noted)
        self._scores += noted.attended.raw.numel()
        if self._scores > MAX_PENDING:
            self.end_pass()

    def end_pass(self) -> None:
        """Keep what was noted, to be counted later; now, if it is much or cannot be kept."""
        with self._lock:
            graph = any(noted.attended.weights.requires_grad for noted in self._pending)
            self._kept += self._pending
            self._kept_bytes += sum(_held(noted) for noted in self._pending)
            self._pending, self._scores = [], 0
            if graph or self._compiled or self._kept_bytes > MAX_KEPT:
                self._settle()

    @torch.no_grad()
    def _settle(self) -> None:
        """Count what was kept, and free it."""
        groups: dict[object, list[Noted]] = {}
        for noted in self._kept:
            groups.setdefault(_alike(noted), []).append(noted)
        for entries in groups.values():
            counts, masses = _counted(entries)
            kind = (counts.device, counts.shape[1])
            if kind in self._totals:
                earlier = self._totals[kind]
                counts, masses = earlier[0] + counts, earlier[1] + masses
            self._totals[kind] = counts, masses
        self._kept, self._kept_bytes = [], 0

    def _settled(self) -> dict[tuple[torch.device, int], tuple[Tensor, Tensor]]:
        """Return the sums over all passes that ended."""
        with self._lock:
            self._settle()
            return dict(self._totals)

    @property
    def whole(self) -> Listening:
        """What passes that ended listened to, over all samples."""
        found = [
            (*counts.sum(dim=1).tolist(), *masses.sum(dim=1).tolist())
            for counts, masses in self._settled().values()
        ]
        return sum((Listening(*sums) for sums in found), Listening())

    def by_sample(self, samples: int) -> list[Listening]:
        """The same for each row of the batches of ``samples`` rows.

        Row i is assumed to be one sample throughout.
        """
        totals = [Listening()] * samples
        for (_, batch), (counts, masses) in self._settled().items():
            if batch == samples:
                sums = zip(*counts.tolist(), *masses.tolist(), strict=True)
                totals = [total + Listening(*own) for total, own in zip(totals, sums, strict=True)]
        return totals


def _held(noted: Noted) -> int:
    """Return the bytes that are kept for ``noted``; a view of a mask keeps the whole mask."""
    tensors = [*noted.attended, noted.mask]
    return sum(own.untyped_storage().nbytes() for own in tensors if own is not None)


def _alike(noted: Noted) -> object:
    """Return what layers must have in common to be counted together."""
    raw, mask = noted.attended.raw, noted.mask
    seen = None if mask is None else (mask.shape, mask.dtype)
    known = noted.attended.unchanged is not None
    return raw.shape, raw.device, id(noted.rows), seen, len(noted.gains), noted.softcap, known


def _counted(layers: Sequence[Noted]) -> tuple[Tensor, Tensor]:
    """Return the sums of layers that are alike for each sample.

    Returns:
        Of whole numbers, shape ``(3, batch)``, and of masses, shape ``(2, batch)``, in the order of
        :class:`Listening`.
    """
    first = layers[0]
    raw = torch.stack([layer.attended.raw for layer in layers])
    masks = [layer.mask for layer in layers if layer.mask is not None]
    mask = torch.stack(masks) if masks else None
    steered = torch.stack(
        [
            torch.stack(gains).any(dim=-1, keepdim=True)
            for gains in zip(*(layer.gains for layer in layers), strict=True)
        ]
    ).any(dim=0)
    rows = first.rows.only_active(steered.expand(*raw.shape[:-1], 1))
    heard = rows & first.audio.bool()
    scores = heard if mask is None else heard & (mask if mask.dtype == torch.bool else mask >= 0)
    over = (0, 2, 3, 4)  # all but the samples
    counts = torch.stack([x.sum(over) for x in (scores & (raw < 0), scores, rows)])
    plain = [layer.attended.unchanged for layer in layers]
    known = [weights for weights in plain if weights is not None]
    before = torch.stack(known) if known else unchanged_weights(raw, first.softcap, mask)
    after = torch.stack([layer.attended.weights for layer in layers])
    wide = torch.promote_types(raw.dtype, torch.float32)
    masses = [x.masked_fill(~heard, 0.0).sum(over, dtype=wide) for x in (before, after)]
    return counts, torch.stack(masses)
