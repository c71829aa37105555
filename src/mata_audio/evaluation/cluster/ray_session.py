"""Answering a run's batches with Ray Data, and storing them here as they come."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import ray

from mata_audio.errors import RunError
from mata_audio.evaluation.cluster import passes, working
from mata_audio.evaluation.cluster.job import Job
from mata_audio.evaluation.cluster.working import Attempts, Ended, Measured, Unprepared
from mata_audio.evaluation.running.answering import Answered
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.grouping import batches_of
from mata_audio.evaluation.running.identity import Described
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, Preparer, preparer_of
from mata_audio.evaluation.running.recorder import Recorder
from mata_audio.evaluation.running.schedule import Schedule, Step, schedule_of
from mata_audio.models.finding import Found
from mata_audio.storage.run_folder import RunFolder

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
            work = passes.Work(ray.put(self.job), ray.remote(num_cpus=0)(Attempts))
            if schedule is None:
                schedule, failed = self._scheduled(recorder, work)
                schedule.save(folder)
                for item in failed:
                    recorder.save_failed(item)
            self._answer(schedule.left(recorder), recorder, work)
        except ray.exceptions.RayError as error:
            text = " ".join(str(error).split())
            raise RunError(
                f"the cluster cannot go on: {text}. What is done is kept; run the same command "
                "again"
            ) from error
        schedule.settle(folder, recorder.store)

    def _scheduled(
        self, recorder: Recorder, work: passes.Work
    ) -> tuple[Schedule, list[FailedItem]]:
        """Return the batches of a single process, and the items that cannot be prepared."""
        found = self._measured(list(recorder.pending), work)
        steps: list[Step] = []
        failed: list[FailedItem] = []

        def good() -> Iterator[Measured]:
            for id in recorder.pending:
                own = found[id]
                if isinstance(own, Measured):
                    yield own
                else:
                    failed.append(self._failed(id, own))
                    steps.append(Step((id,)))

        plan = self.job.plan
        for batch in batches_of(good(), plan.batching, lambda: self.limit, recorder.before):
            slots = len(batch) * max(own.tokens for own in batch)
            steps.append(Step(tuple(own.id for own in batch), slots))
        return Schedule(recorder.store.written, tuple(steps)), failed

    def _measured(
        self, ids: Sequence[str], work: passes.Work, at_once: int = MEASURED_AT_ONCE
    ) -> dict[str, Measured | Unprepared | Ended]:
        """Prepare items on the cluster, and return what decides their batches."""
        at_once = min(at_once, -(-len(ids) // self.preparing))
        groups = [ids[start : start + at_once] for start in range(0, len(ids), at_once)]
        data = passes.measured(self._rows(groups), work, self.preparing)
        found: dict[str, Measured | Unprepared | Ended] = {}
        again: list[str] = []
        for number, own in passes.arriving(data):
            if not isinstance(own, Ended):
                found |= zip(groups[number], own, strict=True)
            elif len(groups[number]) == 1:
                found[groups[number][0]] = own
            else:
                again += groups[number]
        if again:
            found |= self._measured(again, work, at_once=1)
        return found

    def _answer(self, steps: Sequence[Step], recorder: Recorder, work: passes.Work) -> None:
        """Answer batches, those that take longest first, and store each when it comes."""
        if not steps:
            return
        steps = sorted(steps, key=lambda step: step.slots, reverse=True)
        rows = self._rows([step.ids for step in steps])
        data = passes.answered(rows, work, self.preparing, self.actors, self.job.gpu_share)
        again: list[Step] = []
        for number, own in passes.arriving(data):
            ids = steps[number].ids
            if isinstance(own, Answered):
                recorder.save(own)
            elif len(ids) == 1:
                recorder.save_failed(self._failed(ids[0], own))
            elif isinstance(own, Ended):
                again += [Step((id,)) for id in ids]
            else:
                raise RunError(
                    f"item {own.id!r} could be prepared before and cannot be now, on {own.host} "
                    f"({own.error}): has its audio changed? Restore it, and run the same command "
                    "again"
                )
        self._answer(again, recorder, work)

    def _rows(self, groups: Sequence[Sequence[str]]) -> list[list[int]]:
        return [[self._numbers[id] for id in ids] for ids in groups]

    def _failed(self, id: str, why: Unprepared | Ended) -> FailedItem:
        """Return an item as failed, if this machine cannot prepare it either.

        Raises:
            RunError: it can.
        """
        item = self.job.plan.items[self._numbers[id]]
        if isinstance(why, Ended):
            return FailedItem(
                item,
                f"the process that worked on it ended {working.TRIES} times, perhaps for lack of "
                "memory",
            )
        own = self._prepare(item)
        if isinstance(own, Prepared):
            raise RunError(
                f"{why.host}, a machine of the cluster, cannot prepare item {id!r}, and this one "
                f"can: {why.error}. Every machine must read the same data by the same path; then "
                "run the same command again"
            )
        return own

    @cached_property
    def _numbers(self) -> dict[str, int]:
        return {item.id: number for number, item in enumerate(self.job.plan.items)}

    @cached_property
    def _prepare(self) -> Preparer:
        return preparer_of(self.job.plan, self.model)
