"""How far a run has got."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field

from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.shown.one_line import OneLine
from mata_audio.steering.receipt import Receipt


@dataclass
class Progress(OneLine):
    """How far a run has got.

    Args:
        total: items of the run.
        done: items with an answer or an error, from this session and those before.
        failed: those with an error.
        resumed: items that earlier sessions had done.
        correct: right answers by setting name.
        scored: scored answers by setting name.
        limit: the most that goes into a batch at the moment.
        batches: batches that were answered in this session.
        prompt_tokens: prompt tokens in them.
        slots: the same with their padding.
        receipts: what the intervention did in this session, by setting name.
        started: :func:`time.monotonic` when this session's first item started.
    """

    total: int
    done: int = 0
    failed: int = 0
    resumed: int = 0
    correct: dict[str, int] = field(default_factory=dict)
    scored: dict[str, int] = field(default_factory=dict)
    limit: BatchLimit = field(default_factory=lambda: BatchLimit(prompts=1))
    batches: int = 0
    prompt_tokens: int = 0
    slots: int = 0
    receipts: dict[str, Receipt] = field(default_factory=dict)
    started: float = field(default_factory=time.monotonic)

    @property
    def rate(self) -> float:
        """Items a second in this session."""
        return (self.done - self.resumed) / max(time.monotonic() - self.started, 1e-9)

    @property
    def padding(self) -> float | None:
        """Share of the slots that is padding; None before the first batch."""
        return 1 - self.prompt_tokens / self.slots if self.slots else None

    @property
    def seconds_left(self) -> float | None:
        """Seconds left at this rate; None before the first item."""
        return (self.total - self.done) / self.rate if self.done > self.resumed else None


Report = Callable[[Progress], None]
