"""Progress on stderr: a bar on a terminal, a line every tenth in a log file."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import Any, Self

STEPS = 10


def note(text: str) -> None:
    """Write one line of log."""
    print(f"mata: {text}", file=sys.stderr, flush=True)


class StageProgress:
    """Counts items of one stage, with rate and time left.

    Args:
        stage: what is being done, for people.
        total: items in all.

    Example:
        >>> with StageProgress("reading", 2) as progress:  # doctest: +SKIP
        ...     progress.advance(1)
    """

    def __init__(self, stage: str, total: int) -> None:
        self._stage, self._total, self._done = stage, total, 0
        self._start = time.monotonic()
        self._bar: Any = None

    def __enter__(self) -> Self:
        if sys.stderr.isatty():
            from tqdm import tqdm

            self._bar = tqdm(total=self._total, desc=f"{self._stage:<16}", file=sys.stderr)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._bar is not None:
            self._bar.close()

    def advance(self, items: int) -> None:
        """Note that ``items`` more are done."""
        before, self._done = self._done, self._done + items
        if self._bar is not None:
            self._bar.update(items)
        elif before * STEPS // self._total < self._done * STEPS // self._total:
            print(self._line(), file=sys.stderr, flush=True)

    def _line(self) -> str:
        rate = self._done / max(time.monotonic() - self._start, 1e-6)
        left = (self._total - self._done) / rate
        return (
            f"{self._stage:<16} {self._done:>6,} of {self._total:,} "
            f"({self._done / self._total:4.0%}), {rate:,.0f} a second, {left:.0f} s left"
        )
