"""Two passes over the items of a run with Ray Data: how long they are, then their answers."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import ray

from mata_audio.evaluation.cluster import working
from mata_audio.evaluation.cluster.job import Refusal

CALLS = 1000
"""Batches that one process prepares before a fresh one does. Without such a difference between the
two, Ray would let the actors prepare their batches themselves, and a GPU would wait for that."""

Rows = Sequence[Sequence[int]]
"""The numbers of the items that are worked on together."""


@dataclass(frozen=True)
class Work:
    """What is sent to the workers.

    Args:
        job: a reference to the :class:`~mata_audio.evaluation.cluster.job.Job`.
        attempts: the remote class :class:`~mata_audio.evaluation.cluster.working.Attempts`.
    """

    job: Any
    attempts: Any

    def new(self) -> dict[str, Any]:
        """Return the arguments of new work, whose attempts are counted from 0."""
        return {"job": self.job, "attempts": self.attempts.remote()}


def measured(rows: Rows, work: Work, preparing: int) -> Any:
    """Return Ray's data with what decides the batches of the items of each row."""
    return _data(rows).map(working.measure, fn_kwargs=work.new(), num_cpus=1, concurrency=preparing)


def answered(
    rows: Rows,
    work: Work,
    preparing: int,
    actors: int,
    gpu_share: float,
    actor: type[working.Actor] = working.Actor,
    prepare: Callable[..., working.Row] = working.prepare,
) -> Any:
    """Return Ray's data with the answers of each row, one batch: prepared ahead of the actors.

    Those that come first in ``rows`` go first. An actor has one more waiting while it answers one,
    as handing out the next takes Ray a fifth of a second.
    """
    parts = work.new()
    prepared = _data(rows).map(
        prepare, fn_kwargs=parts, num_cpus=1, concurrency=preparing, max_calls=CALLS
    )
    return prepared.map(
        actor,
        fn_constructor_kwargs=parts,
        compute=ray.data.ActorPoolStrategy(size=actors, max_tasks_in_flight_per_actor=2),
        num_cpus=1,
        num_gpus=gpu_share,
    )


def arriving(data: Any) -> Iterator[tuple[int, Any]]:
    """Yield the number of each row and what was found for it, as soon as it comes.

    Raises:
        MataError: a worker refused; the class says why.
    """
    for table in data.iter_batches(batch_size=None, batch_format="pyarrow", prefetch_batches=0):
        for number, content in zip(*(table[n].to_pylist() for n in ("step", "found")), strict=True):
            found = pickle.loads(content)
            if isinstance(found, Refusal):
                raise found.raised()
            yield number, found


def _data(rows: Rows) -> Any:
    """Return Ray's data with a block for each row: small ones would be put together."""
    named = [{"step": step, "numbers": list(own)} for step, own in enumerate(rows)]
    return ray.data.from_items(named, override_num_blocks=len(named))
