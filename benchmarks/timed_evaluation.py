"""One evaluation, timed: as for users, from clips on disk to results on disk."""

from __future__ import annotations

import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from interleaved import now, peak, reset_peak
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.plan import Options, make_plan
from mata_audio.evaluation.running.progress import Progress
from mata_audio.evaluation.task import Task
from mata_audio.models.loading import Loaded
from mata_audio.storage.run_folder import RunFolder


@dataclass(frozen=True)
class Run:
    """What one evaluation took.

    Args:
        items: how many were answered.
        seconds: in all.
        first: until the first answers.
        mean: items in a batch.
        padding: share of the prompt tokens.
        memory: peak, in bytes: of the GPU, or of the process if there is none.
    """

    items: int
    seconds: float
    first: float
    mean: float
    padding: float
    memory: int

    @property
    def rate(self) -> float:
        """Items a second."""
        return self.items / self.seconds


def evaluate(
    loaded: Loaded,
    task: Task,
    data: Path | None,
    settings: Sequence[Any],
    options: Options,
    folder: Path,
) -> Run:
    """Evaluate once, in a temporary folder within ``folder``, and return what it took."""
    answered: list[float] = []
    last: list[Progress] = []

    def report(progress: Progress) -> None:
        answered.append(now())
        last[:] = [progress]

    reset_peak()
    start = now()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        plan = make_plan(loaded, task, data, list(settings), options)
        run_plan(plan, RunFolder(Path(out) / "run"), report)
    (progress,) = last
    return Run(
        progress.done,
        now() - start,
        answered[0] - start,
        progress.done / progress.batches,
        progress.padding or 0.0,
        peak(),
    )
