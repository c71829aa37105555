"""The active query rows of one forward pass, whose attention is changed: two ways to hold them.

:class:`Span` when every sample has the same rows, :class:`Ragged` when they differ.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor


@dataclass(frozen=True)
class Span:
    """The same consecutive rows in every sample: the usual case, and the cheap one.

    Args:
        start: first active row.
        stop: one past the last active row.
        samples: number of samples.
    """

    start: int
    stop: int
    samples: int

    @property
    def count(self) -> int:
        """Number of active rows over the batch."""
        return (self.stop - self.start) * self.samples

    def covers(self, queries: int) -> bool:
        """Whether every row of the pass is active."""
        return self.start == 0 and self.stop == queries

    def chunks(self, at_once: int) -> Iterator[Span]:
        """Yield parts of at most ``at_once`` rows a sample; the rows themselves if they are few."""
        if self.stop - self.start <= at_once:
            yield self
            return
        for start in range(self.start, self.stop, at_once):
            yield Span(start, min(start + at_once, self.stop), self.samples)

    def places(self, device: torch.device) -> Tensor:
        """Return the row numbers, shape ``(1, rows)``."""
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
    """Rows that differ between samples, as with padding on the right or unequal prompts.

    Args:
        index: row numbers, each sample's active ones first, shape ``(batch, rows)``.
        active: which of them are active (the others fill up the shorter samples), same shape.
        count: number of active rows over the batch.
    """

    index: Tensor
    active: Tensor
    count: int

    def covers(self, queries: int) -> bool:
        """Always False; callers take the general path."""
        return False

    def chunks(self, at_once: int) -> Iterator[Ragged]:
        """Yield parts of at most ``at_once`` rows a sample; the rows themselves if they are few."""
        if self.index.shape[1] <= at_once:
            yield self
            return
        parts = zip(self.index.split(at_once, 1), self.active.split(at_once, 1), strict=True)
        for index, active in parts:
            yield Ragged(index, active, self.count)

    def places(self, device: torch.device) -> Tensor:
        """Return the row numbers, shape ``(batch, rows)``."""
        return self.index.to(device)

    def take(self, values: Tensor) -> Tensor:
        """Return these rows of ``values``, shape ``(batch or 1, heads, queries, ...)``."""
        index = self.index.to(values.device)
        values = values.expand(index.shape[0], *values.shape[1:])
        return values[_sample_numbers(index), :, index].transpose(1, 2)

    def put(self, values: Tensor, new: Tensor) -> None:
        """Write the active rows of ``new`` into ``values``, ``(batch, heads, queries, ...)``."""
        index = self.index.to(values.device)
        keep = self.active.to(values.device)[:, :, None, None]
        old = values[_sample_numbers(index), :, index]
        values[_sample_numbers(index), :, index] = torch.where(keep, new.transpose(1, 2), old)

    def only_active(self, per_row: Tensor) -> Tensor:
        """Return ``per_row``, shape ``(batch, 1, rows, ...)``, False where a row is not active."""
        return per_row & self.active.to(per_row.device)[:, None, :, None]


Rows = Span | Ragged


def ragged(active: NDArray[np.bool_], device: torch.device) -> Ragged:
    """Return the rows at which ``active``, shape ``(batch, queries)``, is True, for a device."""
    most = active.sum(axis=1).max()
    index = (~active).argsort(axis=1, kind="stable")[:, :most]
    gathered = np.take_along_axis(active, index, axis=1)
    places, kept = torch.from_numpy(index).to(device), torch.from_numpy(gathered).to(device)
    return Ragged(places, kept, int(gathered.sum()))


def _sample_numbers(index: Tensor) -> Tensor:
    """Return 0, 1, ... down the batch, shape ``(batch, 1)``, to index beside ``index``."""
    return torch.arange(index.shape[0], device=index.device)[:, None]
