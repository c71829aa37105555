"""Batches of prepared items, made ahead of the model."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.ahead import prepared_ahead
from mata_audio.evaluation.running.batch_limit import Batching, BatchLimit
from mata_audio.evaluation.running.grouping import exact_batches, padded_batches
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, preparer_of

if TYPE_CHECKING:
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.loading import Loaded

HELD_BYTES = 2 * 2**30
"""Inputs that may wait for others of their shape or length."""


def prepared_batches(
    plan: Plan,
    loaded: Loaded,
    items: Sequence[Item],
    limit: Callable[[], BatchLimit],
    failed: Callable[[FailedItem], None],
    batching: Batching = "exact",
    before: int = 0,
) -> Iterator[list[Prepared]]:
    """Prepare items ahead of the model and yield them in batches.

    Args:
        plan: says how a question is put, and how many workers prepare.
        loaded: the model.
        items: what to prepare.
        limit: the most that goes into a batch, asked again for each.
        failed: called with each item that could not be prepared.
        batching: whether a batch has prompts of one shape, or of similar lengths.
        before: items that earlier sessions of the same run had in batches.
    """
    first = limit()
    window = 2 * (first.prompts or 32) + 4
    made = prepared_ahead(preparer_of(plan, loaded), items, plan.options.workers, window)

    def good() -> Iterator[Prepared]:
        for item in made:
            if isinstance(item, Prepared):
                yield item
            else:
                failed(item)

    if batching == "exact":
        yield from exact_batches(good(), limit, HELD_BYTES)
    else:
        yield from padded_batches(good(), limit, HELD_BYTES, before)
