"""Recording a run: what is answered is stored and counted at once, wherever it was answered."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field

from mata_audio.errors import RunError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.running.answering import Answered
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.prepare import FailedItem, by_clips
from mata_audio.evaluation.running.progress import Progress, Report
from mata_audio.storage.items_file import ItemStore, Line


@dataclass
class Recorder:
    """Stores and counts the answers of a plan's items that had none.

    Args:
        plan: what is run.
        store: where finished items go.
        scores: scores the answers for the running accuracies.
        limit: the most that goes into a batch at first.
        report: called with the progress after every batch.

    Attributes:
        pending: the items that are left to answer by id, in the order in which a single process
            prepares them.
        before: items that earlier sessions of the same run had in batches.
        progress: how far the run has got.
    """

    plan: Plan
    store: ItemStore
    scores: AnswerScores
    limit: BatchLimit
    report: Report
    pending: dict[str, Item] = field(init=False)
    before: int = field(init=False)
    progress: Progress = field(init=False)

    def __post_init__(self) -> None:
        plan = self.plan
        self._errors = 0
        self._items = {item.id: item for item in plan.items}
        self.pending = {
            item.id: item for item in by_clips(plan.items) if not self._is_done(item.id)
        }
        self.before = sum("clips" in self.store.lines.get(item.id, ()) for item in plan.items)
        self.progress = Progress(len(plan.items), limit=self.limit)
        for item in plan.items:
            if self._is_done(item.id):
                self._count(self.store.lines[item.id])
        self.progress.resumed = self.progress.done

    def start(self) -> None:
        """Count time from now on."""
        self.progress.started = time.monotonic()

    def save(self, answered: Answered) -> None:
        """Store a batch, and return once it is on disk.

        Raises:
            RunError: more items failed than are allowed.
        """
        progress = self.progress
        progress.limit = answered.limit
        progress.batches += answered.batches
        progress.prompt_tokens += answered.prompt_tokens
        progress.slots += answered.slots
        for name, receipt in answered.receipts.items():
            known = progress.receipts.get(name)
            progress.receipts[name] = receipt if known is None else known + receipt
        self._save(answered.lines)

    def save_failed(self, failed: FailedItem) -> None:
        """Store an item that could not be prepared; errors as for :meth:`save`."""
        self._save([{"id": failed.item.id, "error": failed.error}])

    def _is_done(self, id: str) -> bool:
        line = self.store.lines.get(id)
        return line is not None and not (self.plan.options.retry_errors and "error" in line)

    def _save(self, lines: Sequence[Line]) -> None:
        self.store.append(lines)
        for line in lines:
            del self.pending[line["id"]]
            self._errors += "error" in line
            self._count(line)
        self.report(self.progress)
        if self._errors > self.plan.options.max_errors:
            raise RunError(
                f"stopped: {self._errors} items failed, more than --max-errors "
                f"{self.plan.options.max_errors}; the last: {lines[-1].get('error')}. What is "
                "done is kept; fix the cause and run the same command with --retry-errors"
            )

    def _count(self, line: Line) -> None:
        progress, item = self.progress, self._items[line["id"]]
        progress.done += 1
        progress.failed += "error" in line
        for name, raw in line.get("answers", {}).items():
            right = self.scores.answer(item, raw).correct
            if right is not None:
                progress.correct[name] = progress.correct.get(name, 0) + right
                progress.scored[name] = progress.scored.get(name, 0) + 1
