"""Where the items of a run are answered: in this process, or elsewhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from mata_audio.evaluation.running.answering import Answerer
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.batches import prepared_batches, scheduled_batches
from mata_audio.evaluation.running.fitting_limit import batch_limit
from mata_audio.evaluation.running.identity import Described, described
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.prepare import Prepared
from mata_audio.evaluation.running.recorder import Recorder
from mata_audio.evaluation.running.schedule import Schedule, schedule_of
from mata_audio.models.finding import Found
from mata_audio.models.loading import Loaded, load_processor, load_weights
from mata_audio.storage.run_folder import RunFolder


class Session(Protocol):
    """A loaded model that waits for work."""

    @property
    def model(self) -> Found | Loaded:
        """What items are prepared for."""

    @property
    def described(self) -> Described:
        """What the run records of the model and of where it runs."""

    @property
    def limit(self) -> BatchLimit:
        """The most that goes into a batch."""

    def run(self, recorder: Recorder, folder: RunFolder) -> None:
        """Answer all pending items.

        Raises:
            RunError: more items failed than are allowed, or the run cannot go on.
        """


class Executor(Protocol):
    """Answers the items of runs."""

    def opened(self, plan: Plan) -> AbstractContextManager[Session]:
        """Load the plan's model, for the length of a ``with`` block.

        Raises:
            MataError: it cannot be loaded; the class says why.
        """


@dataclass(frozen=True)
class LocalExecutor:
    """Answers the items of runs in this process.

    Args:
        loaded: the plan's model, if :func:`loaded_model` loaded it before; None to load it.
    """

    loaded: Loaded | None = None

    @contextmanager
    def opened(self, plan: Plan) -> Iterator[Session]:
        """Load the plan's model; errors as for :func:`loaded_model`."""
        loaded = loaded_model(plan) if self.loaded is None else self.loaded
        torch.manual_seed(plan.options.seed)
        limit = batch_limit(plan.options.batch_size, loaded.model, len(plan.settings))
        yield _LocalSession(plan, loaded, described(plan, loaded), limit)


@dataclass(frozen=True)
class _LocalSession:
    plan: Plan
    model: Loaded
    described: Described
    limit: BatchLimit

    def run(self, recorder: Recorder, folder: RunFolder) -> None:
        answer = Answerer(self.plan, self.model, self.limit)
        schedule = schedule_of(folder, recorder)
        recorder.start()
        # At once, so that a run which stops inside the batch makes the same batches again.
        for batch in self._batches(recorder, schedule, lambda: answer.limit):
            recorder.save(answer(batch))
        if schedule is not None:
            schedule.settle(folder, recorder.store)

    def _batches(
        self, recorder: Recorder, schedule: Schedule | None, limit: Callable[[], BatchLimit]
    ) -> Iterator[list[Prepared]]:
        plan, failed = self.plan, recorder.save_failed
        if schedule is None:
            return prepared_batches(
                plan,
                self.model,
                list(recorder.pending.values()),
                limit,
                failed,
                plan.batching,
                recorder.before,
            )
        left = [[recorder.pending[id] for id in step.ids] for step in schedule.left(recorder)]
        return scheduled_batches(plan, self.model, left, failed)


def loaded_model(plan: Plan) -> Loaded:
    """Return the plan's model, loaded with its options."""
    found: Any = plan.model
    if isinstance(found, Loaded):
        return found
    processor = load_processor(found)
    model = load_weights(
        found,
        device=plan.options.device,
        dtype=plan.options.dtype,
        attn_implementation=plan.options.attn_implementation,
    )
    return Loaded(model, processor, found.name, found.family)
