"""Batches of prepared items, made ahead of the model."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.ahead import prepared_ahead
from mata_audio.evaluation.running.batch_limit import Batching, BatchLimit
from mata_audio.evaluation.running.grouping import batches_of
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, preparer_of

if TYPE_CHECKING:
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.loading import Loaded


def scheduled_batches(
    plan: Plan,
    loaded: Loaded,
    batches: Sequence[Sequence[Item]],
    failed: Callable[[FailedItem], None],
) -> Iterator[list[Prepared]]:
    """Prepare items ahead of the model and yield them in the batches that are given.

    ``failed`` is called with each item that could not be prepared.
    """
    items = [item for batch in batches for item in batch]
    window = 2 * max(map(len, batches), default=1) + 4
    made = prepared_ahead(preparer_of(plan, loaded), items, plan.options.workers, window)
    for batch in batches:
        good = []
        for item in itertools.islice(made, len(batch)):
            if isinstance(item, Prepared):
                good.append(item)
            else:
                failed(item)
        if good:
            yield good


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

    yield from batches_of(good(), batching, limit, before)
