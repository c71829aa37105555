"""The active query rows of one forward pass: the same in every sample, or not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """The same rows, side by side, in every sample: the usual case, and the cheap one.

    Args:
        start: first active row.
        stop: one past the last.
        samples: number of samples.
    """

    start: int
    stop: int
    samples: int

    @property
    def count(self) -> int:
        """Active rows over the batch."""
        return (self.stop - self.start) * self.samples

    def covers(self, queries: int) -> bool:
        """Whether every row of the pass is active."""
        return self.start == 0 and self.stop == queries

    def chunks(self, at_once: int) -> Iterator[Span]:
        """Split into parts of at most ``at_once`` rows a sample; itself where that is enough."""
        if self.stop - self.start <= at_once:
            yield self
            return
        for start in range(self.start, self.stop, at_once):
            yield Span(start, min(start + at_once, self.stop), self.samples)

    def places(self, device: torch.device) -> Tensor:
        """Row numbers, shape ``(1, rows)``."""
        return torch.arange(self.start, self.stop, device=device)[None]

    def take(self, values: Tensor) -> Tensor:
        """Return these rows of ``values``, shape ``(batch, heads, queries, ...)``."""
        return values[:, :, self.start : self.stop]

    def put(self, values: Tensor, new: Tensor) -> None:
        """Write ``new`` over these rows of ``values``, shape ``(batch, heads, queries, ...)``."""
        values[:, :, self.start : self.stop] = new

    def only_active(self, per_row: Tensor) -> Tensor:
        """Return ``per_row``, shape ``(batch, 1, rows, ...)``, False where a row is not active."""
        return per_row


@dataclass(frozen=True)
class Ragged:
    """Rows that differ between samples: padding on the right, prompts of unequal length.

    Args:
        index: row numbers, each sample's active ones first, shape ``(batch, rows)``.
        active: which of them are active, same shape.
        count: active rows over the batch.
    """

    index: Tensor
    active: Tensor
    count: int

    def covers(self, queries: int) -> bool:
        """Whether every row of the pass is active; not worth knowing here."""
        return False

    def chunks(self, at_once: int) -> Iterator[Ragged]:
        """Split into parts of at most ``at_once`` rows a sample; itself where that is enough."""
        if self.index.shape[1] <= at_once:
            yield self
            return
        parts = zip(self.index.split(at_once, 1), self.active.split(at_once, 1), strict=True)
        for index, active in parts:
            yield Ragged(index, active, self.count)

    def places(self, device: torch.device) -> Tensor:
        """Row numbers, shape ``(batch, rows)``."""
        return self.index.to(device)

    def take(self, values: Tensor) -> Tensor:
        """Return these rows of ``values``, shape ``(batch or 1, heads, queries, ...)``."""
        index = self.index.to(values.device)
        values = values.expand(index.shape[0], *values.shape[1:])
        return values[_samples(index), :, index].transpose(1, 2)

    def put(self, values: Tensor, new: Tensor) -> None:
        """Write the active rows of ``new`` into ``values``, ``(batch, heads, queries, ...)``."""
        index = self.index.to(values.device)
        keep = self.active.to(values.device)[:, :, None, None]
        old = values[_samples(index), :, index]
        values[_samples(index), :, index] = torch.where(keep, new.transpose(1, 2), old)

    def only_active(self, per_row: Tensor) -> Tensor:
        """Return ``per_row``, shape ``(batch, 1, rows, ...)``, False where a row is not active."""
        return per_row & self.active.to(per_row.device)[:, None, :, None]


Rows = Span | Ragged


def ragged(active: Tensor) -> Ragged:
    """Gather the True entries of ``active``, shape ``(batch, queries)``, to the front."""
    most = int(active.sum(dim=1).max())
    index = active.int().argsort(dim=1, descending=True, stable=True)[:, :most]
    chosen = active.gather(1, index)
    return Ragged(index, chosen, int(chosen.sum()))


def _samples(index: Tensor) -> Tensor:
    return torch.arange(index.shape[0], device=index.device)[:, None]
