"""Batches of prepared items: made ahead of the model in threads, one shape to a batch."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from typing import TYPE_CHECKING, Any, TypeVar

import torch
from torch import Tensor

from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, preparer_of

if TYPE_CHECKING:
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.models.loading import Loaded

AUTO_BATCH = {"cuda": 32, "cpu": 8}
"""Batch size at which ``"auto"`` starts; it is halved when memory runs out."""
HELD_BYTES = 2 * 2**30
"""Inputs that may wait for others of their shape."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def auto_batch(model: Any) -> int:
    """Return the batch size at which ``"auto"`` starts on the model's device."""
    return AUTO_BATCH.get(next(model.parameters()).device.type, AUTO_BATCH["cpu"])


def prepared_batches(
    plan: Plan,
    loaded: Loaded,
    items: Iterable[Item],
    size: Callable[[], int],
    failed: Callable[[FailedItem], None],
) -> Iterator[list[Prepared]]:
    """Prepare items ahead of the model and yield them in batches of one shape.

    Args:
        plan: says how a question is put, and how many threads work.
        loaded: the model.
        items: what to prepare.
        size: greatest batch size, asked again for each batch.
        failed: called with each item that could not be prepared.
    """
    made = ahead(preparer_of(plan, loaded), items, plan.options.workers, window=2 * size() + 4)

    def good() -> Iterator[Prepared]:
        for item in made:
            if isinstance(item, Prepared):
                yield item
            else:
                failed(item)

    yield from batches(good(), size, HELD_BYTES)


def stacked(batch: Sequence[Prepared], model: Any) -> dict[str, Tensor]:
    """Return the inputs of a batch on the model's device, real numbers in its dtype."""
    return _stacked([item.inputs for item in batch], model)


def stacked_others(batch: Sequence[Prepared], model: Any) -> dict[str, dict[str, Tensor]]:
    """Return the inputs of a batch's second prompts by name, as :func:`stacked` does."""
    return {
        name: _stacked([item.others[name] for item in batch], model) for name in batch[0].others
    }


def _stacked(inputs: Sequence[dict[str, Tensor]], model: Any) -> dict[str, Tensor]:
    weight = next(model.parameters())
    return {
        name: value.to(weight.device, weight.dtype if value.is_floating_point() else None)
        for name in inputs[0]
        for value in [torch.cat([own[name] for own in inputs])]
    }


def ahead(
    function: Callable[[_In], _Out], values: Iterable[_In], workers: int, window: int
) -> Iterator[_Out]:
    """Apply ``function`` in ``workers`` threads, at most ``window`` values ahead, in order."""
    with ThreadPoolExecutor(max_workers=workers, thread_name_prefix="prepare") as pool:
        waiting: deque[Future[_Out]] = deque()
        try:
            for value in values:
                waiting.append(pool.submit(function, value))
                if len(waiting) >= window:
                    yield waiting.popleft().result()
            while waiting:
                yield waiting.popleft().result()
        finally:
            for future in waiting:
                future.cancel()


def batches(
    prepared: Iterable[Prepared], size: Callable[[], int], held: int
) -> Iterator[list[Prepared]]:
    """Group items of one shape into batches, holding items back until a batch is full.

    Args:
        prepared: the items.
        size: greatest batch size, asked anew for each batch.
        held: bytes of inputs that may wait for others of their shape; beyond it the group with
            the most bytes goes as it is.
    """
    waiting: dict[tuple[object, ...], list[Prepared]] = {}
    waiting_bytes = 0

    def taken(shape: tuple[object, ...]) -> list[Prepared]:
        nonlocal waiting_bytes
        group = waiting.pop(shape)
        at_once = size()
        if len(group) > at_once:
            waiting[shape] = group[at_once:]
        waiting_bytes -= sum(item.size for item in group[:at_once])
        return group[:at_once]

    for item in prepared:
        waiting.setdefault(item.shape, []).append(item)
        waiting_bytes += item.size
        if len(waiting[item.shape]) >= size():
            yield taken(item.shape)
        elif waiting_bytes >= held:
            # The most bytes are at least the new item's, so less than ``held`` waits afterwards,
            # and a resumed run, which starts with what waited, makes the same batches.
            yield taken(max(waiting, key=lambda shape: sum(own.size for own in waiting[shape])))
    while waiting:
        yield taken(next(iter(waiting)))
