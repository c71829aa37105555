"""Answering one batch: in halves if memory runs out, item by item if something else fails."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import torch

from mata_audio.errors import one_line
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.prepare import Prepared
from mata_audio.evaluation.running.stacking import stacked, stacked_others
from mata_audio.models.loading import Loaded
from mata_audio.models.one_prefill import Generated, generate_all, greedy
from mata_audio.steering.receipt import Receipt
from mata_audio.storage.items_file import Line


@dataclass
class Answered:
    """What came of one batch.

    Args:
        lines: what to store, a line for each item.
        limit: the most that goes into the next batch.
        batches: forward batches that it took.
        prompt_tokens: prompt tokens in them.
        slots: the same with their padding.
        receipts: what the intervention did, by setting name.
    """

    lines: list[Line]
    limit: BatchLimit
    batches: int = 0
    prompt_tokens: int = 0
    slots: int = 0
    receipts: dict[str, Receipt] = field(default_factory=dict)


class Answerer:
    """Answers batches of a plan with one model.

    Args:
        plan: what to run.
        loaded: the model.
        limit: the most that goes into a batch; less, once memory has run out.
    """

    def __init__(self, plan: Plan, loaded: Loaded, limit: BatchLimit) -> None:
        self.limit = limit
        self._settings = plan.settings
        self._loaded = loaded
        self._config = greedy(loaded.model, loaded.processor.tokenizer, plan.max_new_tokens)

    def __call__(self, batch: Sequence[Prepared]) -> Answered:
        """Answer a batch; an item that cannot be answered gets a line with its error."""
        answered = Answered([], self.limit)
        at_once = self.limit.at_once(max(own.tokens for own in batch))
        for start in range(0, len(batch), at_once):
            answered.lines += self._answers(batch[start : start + at_once], answered)
        answered.limit = self.limit
        return answered

    def _answers(self, batch: Sequence[Prepared], answered: Answered) -> list[Line]:
        try:
            return self._generate(batch, answered)
        except Exception as error:
            failed = _line(batch[0], error=one_line(error))
            out_of_memory = is_out_of_memory(error)
        if len(batch) == 1:
            return [failed]
        widest = max(own.tokens for own in batch)
        if out_of_memory:
            _free_memory()
            self.limit = self.limit.halved(len(batch), widest)
        lines: list[Line] = []
        while len(lines) < len(batch):
            at_once = self.limit.at_once(widest) if out_of_memory else 1
            lines += self._answers(batch[len(lines) : len(lines) + at_once], answered)
        return lines

    def _generate(self, batch: Sequence[Prepared], answered: Answered) -> list[Line]:
        tokenizer = self._loaded.processor.tokenizer
        inputs = stacked(batch, self._loaded)
        found = generate_all(
            self._loaded.model,
            inputs,
            self._settings,
            self._config,
            answered.receipts,
            tokenizer,
            stacked_others(batch, self._loaded),
        )
        answered.batches += 1
        answered.prompt_tokens += sum(own.tokens for own in batch)
        answered.slots += inputs["input_ids"].numel()
        return [
            _line(item, generated=own, tokenizer=tokenizer)
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
