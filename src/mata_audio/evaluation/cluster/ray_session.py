"""Answering a run's batches with Ray Data, and storing them here as they come."""

from __future__ import annotations

import pickle
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import ray

from mata_audio.errors import RunError
from mata_audio.evaluation.cluster import working
from mata_audio.evaluation.cluster.job import Job, Refusal
from mata_audio.evaluation.cluster.working import Measured, Unprepared
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.grouping import batches_of
from mata_audio.evaluation.running.identity import Described
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, Preparer, preparer_of
from mata_audio.evaluation.running.recorder import Recorder
from mata_audio.evaluation.running.schedule import Schedule, Step, schedule_of
from mata_audio.models.finding import Found
from mata_audio.storage.run_folder import RunFolder

TRIES = 3
"""How often a batch may end its actor before the run goes on without it."""
MEASURED_AT_ONCE = 16
"""Items that one task prepares to know their lengths, at most."""


@dataclass(frozen=True)
class RaySession:
    """Actors of a cluster that wait for work.

    Args:
        model: what items are prepared for.
        described: what the run records.
        limit: the most that goes into a batch.
        job: what the workers must know.
        actors: how many hold the model.
        preparing: tasks that prepare clips at once.
    """

    model: Found
    described: Described
    limit: BatchLimit
    job: Job
    actors: int
    preparing: int

    def run(self, recorder: Recorder, folder: RunFolder) -> None:
        """Answer all pending items, and put them in the order of a single process.

        Raises:
            RunError: too many items failed, a machine cannot read what this one can, or a batch
                ended its actor again and again.
        """
        recorder.start()
        schedule = schedule_of(folder, recorder)
        if schedule is None and not recorder.pending:
            return
        try:
            job = ray.put(self.job)
            if schedule is None:
                schedule, failed = self._scheduled(recorder, job)
                schedule.save(folder)
                for item in failed:
                    recorder.save_failed(item)
            self._answer(schedule.left(recorder), recorder, job)
        except ray.exceptions.RayError as error:
            text = " ".join(str(error).split())
            raise RunError(
                f"the cluster cannot go on: {text}. What is done is kept; run the same command "
                "again"
            ) from error
        schedule.settle(folder, recorder.store)

    def _scheduled(self, recorder: Recorder, job: Any) -> tuple[Schedule, list[FailedItem]]:
        """Return the batches of a single process, and the items that cannot be prepared."""
        found = self._measured([item.id for item in recorder.pending], job)
        steps: list[Step] = []
        failed: list[FailedItem] = []

        def good() -> Iterator[Measured]:
            for item in recorder.pending:
                own = found[item.id]
                if isinstance(own, Measured):
                    yield own
                else:
                    failed.append(self._failed(own))
                    steps.append(Step((own.id,)))

        plan = self.job.plan
        for batch in batches_of(good(), plan.batching, lambda: self.limit, recorder.before):
            slots = len(batch) * max(own.tokens for own in batch)
            steps.append(Step(tuple(own.id for own in batch), slots))
        return Schedule(recorder.store.written, tuple(steps)), failed

    def _measured(self, ids: Sequence[str], job: Any) -> dict[str, Measured | Unprepared]:
        """Prepare items on the cluster, and return what decides their batches."""
        at_once = min(MEASURED_AT_ONCE, -(-len(ids) // self.preparing))
        groups = [ids[start : start + at_once] for start in range(0, len(ids), at_once)]
        data = self._rows(groups).map(
            working.measure,
            fn_kwargs={"job": job},
            num_cpus=1,
            concurrency=self.preparing,
            max_retries=TRIES - 1,
        )
        found = {own.id: own for _, measured in _arriving(data) for own in measured}
        _check_complete(id for id in ids if id not in found)
        return found

    def _answer(self, steps: Sequence[Step], recorder: Recorder, job: Any) -> None:
        """Answer batches, those that take longest first, and store each when it comes."""
        if not steps:
            return
        steps = sorted(steps, key=lambda step: step.slots, reverse=True)
        prepared = self._rows([step.ids for step in steps]).map(
            working.prepare,
            fn_kwargs={"job": job},
            num_cpus=1,
            concurrency=self.preparing,
            max_retries=TRIES - 1,
        )
        answered = prepared.map(
            working.Actor,
            fn_constructor_kwargs={"job": job},
            compute=ray.data.ActorPoolStrategy(size=self.actors, max_tasks_in_flight_per_actor=1),
            num_cpus=1,
            num_gpus=self.job.gpu_share,
            max_restarts=-1,
            max_task_retries=TRIES - 1,
        )
        left = set(range(len(steps)))
        for number, own in _arriving(answered):
            left.remove(number)
            if not isinstance(own, Unprepared):
                recorder.save(own)
            elif len(steps[number].ids) == 1:
                recorder.save_failed(self._failed(own))
            else:
                raise RunError(
                    f"item {own.id!r} could be prepared before and cannot be now, on {own.host} "
                    f"({own.error}): has its audio changed? Restore it, and run the same command "
                    "again"
                )
        _check_complete(id for number in sorted(left) for id in steps[number].ids)

    def _rows(self, groups: Sequence[Sequence[str]]) -> Any:
        """Return Ray's data with a row, in a block of its own, for each group of items."""
        rows = [
            {"step": step, "numbers": [self._numbers[id] for id in ids]}
            for step, ids in enumerate(groups)
        ]
        return ray.data.from_items(rows, override_num_blocks=len(rows))

    def _failed(self, unprepared: Unprepared) -> FailedItem:
        """Return the item as failed, if this machine cannot prepare it either.

        Raises:
            RunError: it can.
        """
        own = self._prepare(self.job.plan.items[self._numbers[unprepared.id]])
        if isinstance(own, Prepared):
            raise RunError(
                f"{unprepared.host}, a machine of the cluster, cannot prepare item "
                f"{unprepared.id!r}, and this one can: {unprepared.error}. Every machine must "
                "read the same data by the same path; then run the same command again"
            )
        return own

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {item.id: number for number, item in enumerate(self.job.plan.items)}

    @cached_property
    def _prepare(self) -> Preparer:
        return preparer_of(self.job.plan, self.model)


def _arriving(data: Any) -> Iterator[tuple[int, Any]]:
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


def _check_complete(missing: Iterable[str]) -> None:
    """Check that no item is missing.

    Raises:
        RunError: some are.
    """
    ids = list(missing)
    if ids:
        names = ", ".join(map(repr, ids[:8])) + (" and others" if len(ids) > 8 else "")
        raise RunError(
            f"{len(ids)} items ended the process that worked on them, {TRIES} times each or its "
            f"whole batch: {names}. All others are done and kept. Perhaps memory ran out: give "
            "more of it, smaller --batch-size or fewer --actors, and run the same command again"
        )
