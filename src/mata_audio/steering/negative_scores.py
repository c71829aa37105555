"""Counting the raw audio scores below zero, on the device and for all layers of a pass at once."""

from __future__ import annotations

import torch
from torch import Tensor

from mata_audio.steering.active_rows import Rows

MAX_PENDING = 2**23
"""Most scores kept to be counted together; bounds the memory."""


class NegativeScores:
    """Counts raw scores, and those below zero, where the gain is not zero."""

    def __init__(self) -> None:
        self._pending: list[tuple[Tensor, Tensor, Rows]] = []
        self._scores = 0
        self._counts: dict[tuple[torch.device, int], Tensor] = {}

    def add(self, raw: Tensor, gain: Tensor, rows: Rows) -> None:
        """Note the scores of one layer.

        Args:
            raw: shape ``(batch, heads, rows, keys)``.
            gain: 0 where a score is not counted, shape ``(batch, heads, 1 or rows, keys)``.
            rows: which of the rows are active.
        """
        self._pending.append((raw.detach(), gain.detach(), rows))
        self._scores += raw.numel()
        if self._scores > MAX_PENDING:
            self.settle()

    def settle(self) -> None:
        """Count the scores that were noted, and free them."""
        groups: dict[object, list[tuple[Tensor, Tensor, Rows]]] = {}
        for raw, gain, rows in self._pending:
            groups.setdefault((raw.shape, raw.device, id(rows)), []).append((raw, gain, rows))
        for entries in groups.values():
            raws = torch.stack([raw for raw, _, _ in entries])
            steered = torch.stack([gain for _, gain, _ in entries]) != 0
            counted = entries[0][2].only_active(steered.expand_as(raws))
            over = (0, 2, 3, 4)  # all but the samples
            counts = torch.stack([(counted & (raws < 0)).sum(over), counted.sum(over)])
            kind = (raws.device, counts.shape[1])
            total = self._counts.get(kind)
            self._counts[kind] = counts if total is None else total + counts
        self._pending.clear()
        self._scores = 0

    @property
    def counts(self) -> tuple[int, int]:
        """Number of scores below zero and of all scores that are settled, over all samples."""
        totals = [counts.sum(dim=1).tolist() for counts in list(self._counts.values())]
        below, scores = (sum(column) for column in zip((0, 0), *totals, strict=True))
        return below, scores

    def by_sample(self, samples: int) -> list[tuple[int, int]]:
        """The same counts for each row of the batches of ``samples`` rows.

        Row i is assumed to be one sample throughout.
        """
        found = list(self._counts.items())
        totals = [c.tolist() for (_, batch), c in found if batch == samples]
        below = [sum(column) for column in zip([0] * samples, *(t[0] for t in totals), strict=True)]
        scores = [
            sum(column) for column in zip([0] * samples, *(t[1] for t in totals), strict=True)
        ]
        return list(zip(below, scores, strict=True))
