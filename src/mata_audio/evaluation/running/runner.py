"""Running a plan: each item is answered and stored, whatever happens to the others."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from mata_audio.errors import RunError, one_line
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.batches import prepared_batches
from mata_audio.evaluation.running.fitting_limit import batch_limit
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, by_clips
from mata_audio.evaluation.running.stacking import stacked, stacked_others
from mata_audio.models.loading import Loaded
from mata_audio.models.one_prefill import Generated, generate_all
from mata_audio.steering.receipt import Receipt
from mata_audio.storage.items_file import ItemStore, Line


@dataclass
class Progress:
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


@dataclass
class Runner:
    """Answers the items of a plan that have no answer yet.

    Args:
        plan: what to run.
        loaded: the model.
        store: where finished items go.
        scores: scores the answers for the running accuracies.
        config: how to generate, from :func:`mata_audio.models.one_prefill.greedy`.
        report: called with the progress after every batch.

    Attributes:
        pending: the items to answer.
    """

    plan: Plan
    loaded: Loaded
    store: ItemStore
    scores: AnswerScores
    config: Any
    report: Report
    pending: list[Item] = field(init=False)

    def __post_init__(self) -> None:
        self._errors = 0
        plan = self.plan
        limit = batch_limit(plan.options.batch_size, self.loaded.model, len(plan.settings))
        self._items = {item.id: item for item in plan.items}
        self.pending = [item for item in by_clips(plan.items) if not self._is_done(item.id)]
        self.progress = Progress(len(plan.items), limit=limit)

    def run(self) -> None:
        """Run all pending items.

        Raises:
            RunError: more items failed than are allowed.
        """
        plan = self.plan
        for item in plan.items:
            if self._is_done(item.id):
                self._count(self.store.lines[item.id])
        self.progress.resumed = self.progress.done
        self.progress.started = time.monotonic()
        before = sum("clips" in self.store.lines.get(item.id, ()) for item in plan.items)
        for batch in prepared_batches(
            plan,
            self.loaded,
            self.pending,
            lambda: self.progress.limit,
            self._save_failed,
            plan.batching,
            before,
        ):
            # At once, so that a run which stops inside the batch makes the same batches again.
            self._save(self._answers(batch))

    def _is_done(self, id: str) -> bool:
        line = self.store.lines.get(id)
        return line is not None and not (self.plan.options.retry_errors and "error" in line)

    def _save_failed(self, failed: FailedItem) -> None:
        self._save([{"id": failed.item.id, "error": failed.error}])

    def _save(self, lines: Sequence[Line]) -> None:
        self.store.append(lines)
        for line in lines:
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

    def _answers(self, batch: Sequence[Prepared]) -> list[Line]:
        """Answer a batch: in halves if memory runs out, item by item if something else fails."""
        try:
            return self._generate(batch)
        except Exception as error:
            failed = _line(batch[0], error=one_line(error))
            out_of_memory = is_out_of_memory(error)
        if len(batch) == 1:
            return [failed]
        widest = max(own.tokens for own in batch)
        if out_of_memory:
            _free_memory()
            self.progress.limit = self.progress.limit.halved(len(batch), widest)
        lines: list[Line] = []
        while len(lines) < len(batch):
            at_once = self.progress.limit.at_once(widest) if out_of_memory else 1
            lines += self._answers(batch[len(lines) : len(lines) + at_once])
        return lines

    def _generate(self, batch: Sequence[Prepared]) -> list[Line]:
        inputs = stacked(batch, self.loaded)
        found = generate_all(
            self.loaded.model,
            inputs,
            self.plan.settings,
            self.config,
            self.progress.receipts,
            self.loaded.processor.tokenizer,
            stacked_others(batch, self.loaded),
        )
        self.progress.batches += 1
        self.progress.prompt_tokens += sum(own.tokens for own in batch)
        self.progress.slots += inputs["input_ids"].numel()
        return [
            _line(item, generated=own, tokenizer=self.loaded.processor.tokenizer)
            for item, own in zip(batch, found, strict=True)
        ]


def _line(
    item: Prepared,
    error: str | None = None,
    generated: dict[str, Generated] | None = None,
    tokenizer: Any = None,
) -> Line:
    """Return the line to store for one item: its clips, and its answers or its error."""
    line: dict[str, Any] = {
        "id": item.item.id,
        "clips": [vars(clip) for clip in item.clips],
        "prompt_tokens": item.tokens,
    }
    if generated is None:
        return {**line, "error": error}
    heard = {name: own.listening for name, own in generated.items() if own.listening.rows}
    return {
        **line,
        "answers": {
            name: tokenizer.decode(own.tokens, skip_special_tokens=True)
            for name, own in generated.items()
        },
        "new_tokens": {name: len(own.tokens) for name, own in generated.items()},
        "negative_share": {name: own.negative_share for name, own in heard.items()},
        "mass_before": {name: own.mass_before for name, own in heard.items()},
        "mass_after": {name: own.mass_after for name, own in heard.items()},
    }


def is_out_of_memory(error: Exception) -> bool:
    """Whether memory ran out, on a GPU or on the CPU."""
    if isinstance(error, (torch.OutOfMemoryError, MemoryError)):
        return True
    return isinstance(error, RuntimeError) and "can't allocate memory" in str(error)


def _free_memory() -> None:
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
