"""One step of the engine: which of its rows are active, of which requests.

An engine answers many requests at once: a step has a piece of one's prompt, the last tokens of
others, drafts of others still. The scheduler says which positions of which requests these are. The
rule is that of :mod:`mata_audio.steering.prompt`: a row is active from the last prompt token on.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.methods.method import Method
from mata_audio.steering.prompt import Prompt


@dataclass(frozen=True)
class SteeredRequest:
    """A request that is steered.

    Args:
        method: what it is answered with.
        prompt: its prompt, as a batch of one.
    """

    method: Method
    prompt: Prompt

    def active(self, start: int, count: int) -> NDArray[np.bool_]:
        """Return which of ``count`` rows from position ``start`` on are active."""
        positions = np.arange(start, start + count)
        known = np.minimum(positions, self.prompt.width - 1)
        answer: NDArray[np.bool_] = positions >= self.prompt.width
        return answer | self.prompt.active[0, known]


@dataclass(frozen=True)
class Piece:
    """What a step reads of one request.

    Args:
        request: None if it is not steered.
        start: tokens that were read before. While an answer is drafted ahead of what was accepted,
            this may be too many, never too few.
        count: tokens that are read.
    """

    request: SteeredRequest | None
    start: int
    count: int


@dataclass(frozen=True)
class Step:
    """The active rows of a step; R requests have some, at most Q each.

    Args:
        requests: those requests.
        places: their numbers in the batch, shape ``(R,)``.
        rows: numbers of their rows among all rows of the step, shape ``(R, Q)``; the shorter ones
            repeat their last row.
        offsets: numbers of the same rows, counted back from the request's last, same shape.
        longest: most tokens that one of them has read, this step included.
    """

    requests: tuple[SteeredRequest, ...]
    places: Tensor
    rows: Tensor
    offsets: Tensor
    longest: int

    @property
    def count(self) -> int:
        """Number of different active rows."""
        return int(torch.unique(self.rows).numel())


def step_of(pieces: Sequence[Piece], device: torch.device) -> Step | None:
    """Return the active rows of a step whose batch is ``pieces``; None if there are none."""
    found: list[tuple[SteeredRequest, int, NDArray[np.int64], int, int]] = []
    before = longest = 0
    for place, piece in enumerate(pieces):
        if piece.request is not None:
            own = np.flatnonzero(piece.request.active(piece.start, piece.count))
            if len(own):
                found.append((piece.request, place, own, before, piece.count))
                longest = max(longest, piece.start + piece.count)
        before += piece.count
    if not found:
        return None
    most = max(len(own) for _, _, own, _, _ in found)
    filled = [np.pad(own, (0, most - len(own)), "edge") for _, _, own, _, _ in found]
    rows = [own + first for own, (_, _, _, first, _) in zip(filled, found, strict=True)]
    offsets = [count - 1 - own for own, (_, _, _, _, count) in zip(filled, found, strict=True)]
    return Step(
        tuple(request for request, _, _, _, _ in found),
        torch.tensor([place for _, place, _, _, _ in found], device=device),
        torch.from_numpy(np.stack(rows)).to(device),
        torch.from_numpy(np.stack(offsets)).to(device),
        longest,
    )


class Ledger:
    """The steered requests that an engine has in hand, from what its scheduler says of each step.

    Args:
        make: makes a steered request of what a new one brings; None if it is not steered.
    """

    def __init__(self, make: Any) -> None:
        self._make = make
        self._requests: dict[str, SteeredRequest | None] = {}
        self.steered = 0
        """Steered requests so far."""

    def pieces(self, scheduled: Any, order: Sequence[str]) -> list[Piece]:
        """Return what a step reads, in the order of its batch.

        Args:
            scheduled: vLLM's ``SchedulerOutput``.
            order: ids of the requests in the batch.
        """
        for name in scheduled.finished_req_ids:
            self._requests.pop(name, None)
        start: dict[str, int] = {}
        for new in scheduled.scheduled_new_reqs:
            start[new.req_id] = new.num_computed_tokens
            if new.req_id not in self._requests:  # else it goes on after a pause
                self._requests[new.req_id] = self._make(new)
                self.steered += self._requests[new.req_id] is not None
        known = scheduled.scheduled_cached_reqs
        start.update(zip(known.req_ids, known.num_computed_tokens, strict=True))
        counts: Mapping[str, int] = scheduled.num_scheduled_tokens
        return [Piece(self._requests[name], start[name], counts[name]) for name in order]
