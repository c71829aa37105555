"""The batches of a run that are answered in any order, and stored in one in the end."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

from mata_audio.errors import RunError
from mata_audio.evaluation.running.recorder import Recorder
from mata_audio.storage.atomic_file import write_atomically
from mata_audio.storage.items_file import ItemStore
from mata_audio.storage.run_folder import BATCHES, RunFolder


@dataclass(frozen=True)
class Step:
    """A batch, or an item that cannot be prepared.

    Args:
        ids: its items.
        slots: prompt tokens with their padding, which its cost goes by.
    """

    ids: tuple[str, ...]
    slots: int = 0


@dataclass(frozen=True)
class Schedule:
    """The batches that a single process would make, in its order: ``batches.json``.

    Where they are answered in another order, a stopped run could not make the same ones again from
    the items that are left. So they are written before the first one is answered.

    Args:
        start: lines that were stored before them.
        steps: the batches.
    """

    start: int
    steps: tuple[Step, ...]

    def save(self, folder: RunFolder) -> None:
        """Write it, whole or not at all.

        Raises:
            WriteError: it cannot be written.
        """
        write_atomically(folder.path / BATCHES, json.dumps(asdict(self)) + "\n")

    def left(self, recorder: Recorder) -> list[Step]:
        """Return the batches whose items have no answer yet."""
        return [step for step in self.steps if not recorder.pending.keys().isdisjoint(step.ids)]

    def settle(self, folder: RunFolder, store: ItemStore) -> None:
        """Put what is stored in this order, and remove the schedule.

        Raises:
            WriteError: the items cannot be written.
        """
        places = {id: place for place, step in enumerate(self.steps) for id in step.ids}
        store.put_in_order(self.start, places)
        (folder.path / BATCHES).unlink(missing_ok=True)


def schedule_of(folder: RunFolder, recorder: Recorder) -> Schedule | None:
    """Return the schedule of a run that was stopped; None if there is none.

    If other items are wanted now, what is stored is put in order, and the rest is scheduled anew.

    Raises:
        RunError: it is damaged.
        WriteError: the items cannot be written.
    """
    path = folder.path / BATCHES
    if not path.exists():
        return None
    schedule = _read(path)
    stored = {line["id"] for line in recorder.store.lines.values()}
    left = [id for step in schedule.left(recorder) for id in step.ids]
    if sorted(left) == sorted(recorder.pending) and stored.isdisjoint(recorder.pending):
        return schedule
    schedule.settle(folder, recorder.store)
    return None


def _read(path: Path) -> Schedule:
    try:
        data = json.loads(path.read_text(encoding="utf-8"))
        steps = tuple(Step(tuple(own["ids"]), own["slots"]) for own in data["steps"])
        return Schedule(int(data["start"]), steps)
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{path} is damaged ({error}): restore the file, or remove it; without it the run goes "
            "on in other batches"
        ) from error
