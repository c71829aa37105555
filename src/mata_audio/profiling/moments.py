"""Running mean and standard deviation of arrays that come in batches (Chan et al. 1979)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


class Moments:
    """Running mean and standard deviation over the items of a stream."""

    def __init__(self) -> None:
        self.count = 0
        self._mean: Floats = np.zeros(())
        self._squares: Floats = np.zeros(())

    def add(self, values: Floats) -> None:
        """Add a batch, shape ``(items, ...)``."""
        new = len(values)
        if not new:
            return
        mean = values.mean(axis=0)
        squares = ((values - mean) ** 2).sum(axis=0)
        total = self.count + new
        apart = mean - self._mean
        self._mean = self._mean + apart * (new / total)
        self._squares = self._squares + squares + apart**2 * (self.count * new / total)
        self.count = total

    @property
    def mean(self) -> Floats:
        """Mean over the items, shape ``(...)``."""
        assert self.count, "nothing was added"
        return self._mean

    @property
    def spread(self) -> Floats:
        """Standard deviation over the items (n - 1), shape ``(...)``; NaN for a single item."""
        assert self.count, "nothing was added"
        if self.count < 2:
            return np.full_like(self._squares, np.nan)
        return np.sqrt(self._squares / (self.count - 1))
