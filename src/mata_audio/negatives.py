"""Counting raw audio scores below zero, cheaply: all layers of a pass at once, on the device."""

from __future__ import annotations

import torch
from torch import Tensor

from mata_audio.rows import Rows

MAX_PENDING = 2**23
"""Scores kept for counting together; beyond it they are counted at once, to bound the memory."""


class NegativeShare:
    """The share of raw scores below zero where the gain is not zero."""

    def __init__(self) -> None:
        self._pending: list[tuple[Tensor, Tensor, Rows]] = []
        self._scores = 0
        self._counts: dict[torch.device, Tensor] = {}

    def add(self, raw: Tensor, gain: Tensor, rows: Rows) -> None:
        """Note the scores of one layer.

        Args:
            raw: shape ``(batch, heads, rows, keys)``.
            gain: shape ``(batch, heads, 1, keys)``.
            rows: which of the rows are active.
        """
        self._pending.append((raw.detach(), gain.detach(), rows))
        self._scores += raw.numel()
        if self._scores > MAX_PENDING:
            self.settle()

    def settle(self) -> None:
        """Count what was noted, and let go of it."""
        groups: dict[object, list[tuple[Tensor, Tensor, Rows]]] = {}
        for raw, gain, rows in self._pending:
            groups.setdefault((raw.shape, raw.device, id(rows)), []).append((raw, gain, rows))
        for entries in groups.values():
            raws = torch.stack([raw for raw, _, _ in entries])
            heard = torch.stack([gain for _, gain, _ in entries]) != 0
            counted = entries[0][2].only_active(heard.expand_as(raws))
            counts = torch.stack([(counted & (raws < 0)).sum(), counted.sum()])
            total = self._counts.get(raws.device)
            self._counts[raws.device] = counts if total is None else total + counts
        self._pending.clear()
        self._scores = 0

    @property
    def value(self) -> float | None:
        """The share; None when nothing was counted."""
        self.settle()
        totals = [counts.tolist() for counts in self._counts.values()]
        below, scores = (sum(column) for column in zip((0, 0), *totals, strict=True))
        return below / scores if scores else None
