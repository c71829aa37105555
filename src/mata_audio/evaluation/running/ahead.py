"""Preparing items ahead of the model: in threads, or in processes once that is worth it."""

from __future__ import annotations

import itertools
import os
import sys
import time
import warnings
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar

import torch
from torch.utils.data import DataLoader

from mata_audio.errors import RunError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, Preparer, clips_of

WORTH_PROCESSES = 20.0
"""Seconds of preparing that are left, from which processes save more than they cost."""
TRIED = 4
"""Items that are prepared first, to know what one costs."""

_In = TypeVar("_In")
_Out = TypeVar("_Out")


def prepared_ahead(
    prepare: Preparer, items: Sequence[Item], workers: int, window: int
) -> Iterator[Prepared | FailedItem]:
    """Prepare items in order, at most about ``window`` ahead.

    The first are timed. If the rest would take long, ``workers`` processes prepare it: in threads,
    tokenizers and most feature extractors take turns. Processes are forked, so only on Linux.

    Args:
        prepare: prepares one item.
        items: the items; those with the same clips best beside each other.
        workers: threads or processes.
        window: most items that are prepared before they are wanted.

    Raises:
        RunError: a process was killed.
    """
    processes = min(workers, os.cpu_count() or 1)
    start = time.monotonic()
    yield from map(prepare, items[:TRIED])
    rest = items[TRIED:]
    seconds = (time.monotonic() - start) / TRIED * len(rest)
    if processes > 1 and seconds > WORTH_PROCESSES and sys.platform == "linux":
        yield from in_processes(prepare, rest, processes, window)
    else:
        yield from ahead(prepare, rest, workers, window)


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


def in_processes(
    prepare: Preparer, items: Sequence[Item], workers: int, window: int
) -> Iterator[Prepared | FailedItem]:
    """Prepare items in forked processes, in order; arguments and errors as above.

    Items beside each other with the same clips go to one process, which makes their features once.
    """
    groups = [list(own) for _, own in itertools.groupby(items, clips_of)]
    made: DataLoader[Any] = DataLoader(
        groups,  # type: ignore[arg-type]  # anything with a length and an index will do
        batch_size=None,
        num_workers=workers,
        collate_fn=partial(packed, prepare),
        prefetch_factor=max(1, window // workers),
        multiprocessing_context="fork",
        worker_init_fn=_without_more_threads,
        generator=torch.Generator(),  # else it would draw from the one that the run seeded
    )
    # A fork of a process with threads is safe here: the children prepare, and never touch these.
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*fork.*", DeprecationWarning)
        results = iter(made)
    for group in groups:
        try:
            arrived = next(results)
        except RuntimeError as error:
            raise RunError(
                f"a process that prepares clips ended ({error}), perhaps for lack of memory. What "
                "is done is kept; run the same command with fewer --workers (1 for no processes)"
            ) from error
        for item, own in zip(group, arrived, strict=True):
            yield unpacked(item, own)


def _without_more_threads(_: int) -> None:
    """Keep a process's tokenizer to one thread: those of its parent are not there."""
    os.environ["TOKENIZERS_PARALLELISM"] = "false"


def packed(prepare: Preparer, group: Sequence[Item]) -> list[Any]:
    """Prepare items in another process: what is made of each, or why it failed.

    Tensors go as arrays, since each tensor would keep a file open.
    """
    found: list[Any] = []
    for item in group:
        own = prepare(item)
        if isinstance(own, Prepared):
            parts = (own.inputs, *own.others.values())
            arrays = [{name: value.numpy() for name, value in part.items()} for part in parts]
            found.append((arrays, own.clips, tuple(own.others)))
        else:
            found.append(own.error)
    return found


def unpacked(item: Item, arrived: Any) -> Prepared | FailedItem:
    """Return what :func:`packed` made of an item."""
    if isinstance(arrived, str):
        return FailedItem(item, arrived)
    arrays, clips, names = arrived
    inputs, *others = [
        {name: torch.from_numpy(value) for name, value in part.items()} for part in arrays
    ]
    return Prepared(item, inputs, clips, dict(zip(names, others, strict=True)))
