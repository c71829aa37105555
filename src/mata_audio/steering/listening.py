"""How the changed rows listen: raw audio scores below zero, and the attention that audio gets."""

from __future__ import annotations

import threading
from collections.abc import Sequence
from dataclasses import astuple, dataclass
from typing import NamedTuple

import torch
from torch import Tensor

from mata_audio.shown.one_line import OneLine
from mata_audio.steering.active_rows import Rows
from mata_audio.steering.attention import RowChange, changed_weights

MAX_PENDING = 2**23
"""Most scores of one pass kept to be counted together; bounds the memory."""
MAX_KEPT = 2**25
"""Most bytes of earlier passes kept until somebody wants to know."""


@dataclass(frozen=True)
class Listening(OneLine):
    """Sums over the active rows of the passes that read a prompt, in steered layers and heads.

    Args:
        negative_scores: raw audio scores below zero. ``multiply`` lowers attention to these.
        audio_scores: all raw audio scores.
        rows: active rows, each counted in every head that steers it.
        before: the share of attention that goes to audio without any change, added up over ``rows``
            from their own raw scores.
        after: the same with the changes. Those of ``mass`` and ``value`` may add up to more than 1
            a row.
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
        """The same with the changes."""
        return self.after / self.rows if self.rows else None


class Noted(NamedTuple):
    """What some rows of one layer attended to.

    Args:
        raw: their scores before the intervention, shape ``(batch, heads, rows, keys)``.
        changes: what was changed.
        audio: True at audio keys, shape ``(batch, 1, 1, keys)``.
        masks: as for :func:`~mata_audio.steering.attention.changed_weights`.
        softcap: as there.
        rows: which of the rows are active.
        views: rows of a batch that belong to one sample, of which the first counts.
    """

    raw: Tensor
    changes: tuple[RowChange, ...]
    audio: Tensor
    masks: Tensor | None
    softcap: float | None
    rows: Rows
    views: int


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
        self._scores += noted.raw.numel()
        if self._scores > MAX_PENDING:
            self.end_pass()

    def end_pass(self) -> None:
        """Keep what was noted, to be counted later; now, if it is much or cannot be kept."""
        with self._lock:
            held = [tensor for noted in self._pending for tensor in _held(noted)]
            graph = any(tensor.requires_grad for tensor in held)
            self._kept += self._pending
            self._kept_bytes += _bytes(held)
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


def _held(noted: Noted) -> list[Tensor]:
    """Return the tensors that are kept for ``noted``."""
    masks = [] if noted.masks is None else [noted.masks]
    return [noted.raw, noted.audio, *masks, *(change.applied for change in noted.changes)]


def _bytes(held: Sequence[Tensor]) -> int:
    """Return the bytes of memory of tensors, which may share it."""
    storages = [tensor.untyped_storage() for tensor in held]
    return sum({storage.data_ptr(): storage.nbytes() for storage in storages}.values())


def _alike(noted: Noted) -> object:
    """Return what layers must have in common to be counted together."""
    changes = tuple((change.formula, change.applied.shape) for change in noted.changes)
    same = (noted.rows, noted.masks, noted.audio)
    return noted.raw.shape, noted.raw.device, changes, noted.softcap, *map(id, same)


def _counted(layers: Sequence[Noted]) -> tuple[Tensor, Tensor]:
    """Return the sums of layers that are alike for each sample.

    Returns:
        Of whole numbers, shape ``(3, batch)``, and of masses, shape ``(2, batch)``, in the order of
        :class:`Listening`.
    """
    first = layers[0]
    raw = torch.stack([layer.raw for layer in layers])
    changes = [
        own[0]._replace(applied=torch.stack([change.applied for change in own]))
        for own in zip(*(layer.changes for layer in layers), strict=True)
    ]
    steered = torch.stack([change.steered.expand(*raw.shape[:-1], 1) for change in changes]).any(0)
    counts_at = torch.arange(raw.shape[1], device=raw.device) % first.views == 0
    rows = first.rows.only_active(steered & counts_at[:, None, None, None])
    heard = rows & first.audio
    masks = None if first.masks is None else first.masks[:, None]  # the same in all layers
    scores = heard if masks is None else heard & (masks[0] >= 0)
    over = (0, 2, 3, 4)  # all but the samples
    counts = torch.stack([x.sum(over) for x in (scores & (raw < 0), scores, rows)])
    before = changed_weights(raw, (), None if masks is None else masks[:1], first.softcap)
    after = changed_weights(raw, changes, masks, first.softcap)
    masses = [x.masked_fill(~heard, 0.0).sum(over) for x in (before, after)]
    return counts, torch.stack(masses)
