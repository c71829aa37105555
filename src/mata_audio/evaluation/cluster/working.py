"""What runs in the worker processes of a cluster: preparing items, and answering batches."""

from __future__ import annotations

import json
import pickle
import platform
import warnings
from collections import Counter
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import ray

from mata_audio.errors import MataWarning, RunError
from mata_audio.evaluation.cluster.job import Job, Refusal
from mata_audio.evaluation.running.ahead import packed, unpacked
from mata_audio.evaluation.running.answering import Answerer
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.executor import loaded_model
from mata_audio.evaluation.running.fitting_limit import batch_limit
from mata_audio.evaluation.running.identity import Described, described
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, Preparer, preparer_of
from mata_audio.models.loading import Loaded
from mata_audio.storage.run_folder import differences

TRIES = 3
"""How often work may end its process before it is given up."""

Row = dict[str, Any]
"""A row of Ray's data: the numbers of some items, and later what was made of them, pickled."""


@dataclass(frozen=True)
class Measured:
    """What decides the batch of a prepared item; as :class:`Prepared` has it.

    Args:
        id: the item's id.
        size: bytes of the inputs.
        tokens: tokens of the prompt.
        kinds: names and dimensions of the inputs.
        shape: what items of an exact batch share.
    """

    id: str
    size: int
    tokens: int
    kinds: tuple[tuple[str, int], ...]
    shape: tuple[object, ...]


@dataclass(frozen=True)
class Unprepared:
    """An item that a machine could not prepare.

    Args:
        id: the item's id.
        error: why.
        host: the machine.
    """

    id: str
    error: str
    host: str


@dataclass(frozen=True)
class Ended:
    """Work that ended its process :data:`TRIES` times, most likely for lack of memory."""


@dataclass(frozen=True)
class Seen:
    """What one actor says before the run starts.

    Args:
        described: the model and the machine.
        limit: the most that goes into a batch.
        warnings: of loading the model.
    """

    described: Described
    limit: BatchLimit
    warnings: tuple[Warning, ...]


def look(job: Job) -> Seen | Refusal:
    """Load the model as an actor does, and describe it."""
    try:
        job.enter()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always", MataWarning)
            loaded = loaded_model(job.plan)
        own = tuple(each.message for each in caught if isinstance(each.message, MataWarning))
        return Seen(described(job.plan, loaded), _limit(job, loaded), own)
    except Exception as error:
        return Refusal.of(error)


def measure(row: Row, job: Any, attempts: Any) -> Row:
    """Prepare the items of a row, and return what decides their batches."""
    if _ended("measure", row, attempts):
        return {"step": row["step"], "found": pickle.dumps(Ended())}
    try:
        plan, prepare = _preparing(job)
        made = [prepare(plan.items[number]) for number in row["numbers"]]
        found: Any = [
            Measured(own.item.id, own.size, own.tokens, own.kinds, own.shape)
            if isinstance(own, Prepared)
            else Unprepared(own.item.id, own.error, platform.node())
            for own in made
        ]
    except Exception as error:
        found = Refusal.of(error)
    return {"step": row["step"], "found": pickle.dumps(found)}


def prepare(row: Row, job: Any, attempts: Any) -> Row:
    """Prepare the items of a row, one batch."""
    if _ended("prepare", row, attempts):
        return {**row, "made": pickle.dumps((platform.node(), Ended()))}
    try:
        plan, prepare = _preparing(job)
        made: Any = packed(prepare, [plan.items[number] for number in row["numbers"]])
    except Exception as error:
        made = Refusal.of(error)
    origin = (platform.node(), made)
    return {**row, "made": pickle.dumps(origin, protocol=5)}


class Attempts:
    """Counts how often work was begun: it begins again whenever it ended its process."""

    def __init__(self) -> None:
        self._begun: Counter[tuple[str, int]] = Counter()

    def begin(self, what: str, step: int) -> int:
        """Count a beginning, and return how many there were."""
        self._begun[what, step] += 1
        return self._begun[what, step]


class Actor:
    """Holds the model, and answers batches.

    Args:
        job: a reference to the :class:`Job`.
        attempts: the :class:`Attempts` of the cluster.
    """

    def __init__(self, job: Any, attempts: Any) -> None:
        self._attempts = attempts
        self._refusal: Refusal | None = None
        try:
            own: Job = ray.get(job)
            own.enter()
            self._plan = own.plan
            loaded = loaded_model(own.plan)
            _check_same(own, loaded)
            self._answer = Answerer(own.plan, loaded, _limit(own, loaded))
        except Exception as error:
            self._refusal = Refusal.of(error)

    def __call__(self, row: Row) -> Row:
        """Answer the batch of a row."""
        return {"step": row["step"], "found": pickle.dumps(self._answered(row))}

    def _answered(self, row: Row) -> Any:
        if self._refusal is not None:
            return self._refusal
        host, made = pickle.loads(row["made"])
        if isinstance(made, (Refusal, Ended)):
            return made
        if _ended("answer", row, self._attempts):
            return Ended()
        items = [self._plan.items[number] for number in row["numbers"]]
        batch = []
        for item, own in zip(items, made, strict=True):
            arrived = unpacked(item, own)
            if isinstance(arrived, FailedItem):
                return Unprepared(item.id, arrived.error, host)
            batch.append(arrived)
        try:
            return self._answer(batch)
        except Exception as error:
            return Refusal.of(error)


def _ended(what: str, row: Row, attempts: Any) -> bool:
    """Whether work was begun so often that it is not to begin again."""
    begun: int = ray.get(attempts.begin.remote(what, int(row["step"])))
    return begun > TRIES


@lru_cache(maxsize=1)
def _preparing(job: Any) -> tuple[Any, Preparer]:
    """Return the plan and its preparer, made once a process."""
    own: Job = ray.get(job)
    own.enter()
    return own.plan, preparer_of(own.plan, own.plan.model)


def _limit(job: Job, loaded: Loaded) -> BatchLimit:
    rows = len(job.plan.settings)
    return batch_limit(
        job.plan.options.batch_size, loaded.model, rows, min(job.gpu_share, 1.0) or 1.0
    )


def _check_same(job: Job, loaded: Loaded) -> None:
    """Check that this machine would answer as the one that was looked at first.

    Raises:
        RunError: versions, weights or devices differ.
    """
    here = json.loads(json.dumps(described(job.plan, loaded).identity))
    changed = differences(json.loads(json.dumps(job.identity)), here)
    if changed:
        raise RunError(
            f"two machines of the cluster would answer differently: {'; '.join(changed)}. Give all "
            "the same packages, model and kind of device"
        )
