"""Grouping prepared items into batches: of one exact shape, or of similar lengths.

Both ways depend only on what comes and on how much went before, so a resumed run, which starts with
the items that have no answer yet, makes the same batches.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Protocol, TypeVar

from mata_audio.evaluation.running.batch_limit import Batching, BatchLimit

HELD_BYTES = 2 * 2**30
"""Inputs that may wait for others of their shape or length."""
WINDOW = 16
"""Batches' worth of items among which the most similar ones are looked for, at most."""
FIRST_WINDOW = 2
"""The same for the first batch, which should not wait for the preparation of many clips."""


class Groupable(Protocol):
    """What decides with which others a prepared item goes into a batch."""

    @property
    def size(self) -> int:
        """Bytes of the inputs."""

    @property
    def tokens(self) -> int:
        """Tokens of the prompt."""

    @property
    def kinds(self) -> tuple[tuple[str, int], ...]:
        """Names of the inputs and numbers of their dimensions: items of any batch share this."""

    @property
    def shape(self) -> tuple[object, ...]:
        """Items of an exact batch share this."""


_Item = TypeVar("_Item", bound=Groupable)


def batches_of(
    prepared: Iterable[_Item],
    batching: Batching,
    limit: Callable[[], BatchLimit],
    before: int = 0,
) -> Iterator[list[_Item]]:
    """Group items into batches, by either way; arguments as below."""
    if batching == "exact":
        yield from exact_batches(prepared, limit, HELD_BYTES)
    else:
        yield from padded_batches(prepared, limit, HELD_BYTES, before)


def exact_batches(
    prepared: Iterable[_Item], limit: Callable[[], BatchLimit], held: int
) -> Iterator[list[_Item]]:
    """Group items of one shape into batches, holding items back until a batch is full.

    Args:
        prepared: the items.
        limit: the most that goes into a batch, asked anew for each.
        held: bytes of inputs that may wait for others of their shape; beyond it the group with
            the most bytes goes as it is.
    """
    waiting: dict[tuple[object, ...], list[_Item]] = {}
    waiting_bytes = 0

    def taken(shape: tuple[object, ...]) -> list[_Item]:
        nonlocal waiting_bytes
        group = waiting.pop(shape)
        at_once = limit().at_once(group[0].tokens)
        if len(group) > at_once:
            waiting[shape] = group[at_once:]
        waiting_bytes -= sum(item.size for item in group[:at_once])
        return group[:at_once]

    for item in prepared:
        waiting.setdefault(item.shape, []).append(item)
        waiting_bytes += item.size
        if len(waiting[item.shape]) >= limit().at_once(item.tokens):
            yield taken(item.shape)
        elif waiting_bytes >= held:
            # The most bytes are at least the new item's, so less than ``held`` waits afterwards,
            # and a resumed run, which starts with what waited, makes the same batches.
            yield taken(max(waiting, key=lambda shape: sum(own.size for own in waiting[shape])))
    while waiting:
        yield taken(next(iter(waiting)))


def padded_batches(
    prepared: Iterable[_Item],
    limit: Callable[[], BatchLimit],
    held: int,
    before: int = 0,
) -> Iterator[list[_Item]]:
    """Group items of similar lengths into full batches, to be padded on the left.

    Items wait in a window, out of which the batch with the least padding is taken. The window
    starts with two batches' worth and grows by two items for each that was answered.

    Args:
        prepared: the items.
        limit: the most that goes into a batch, asked anew for each.
        held: bytes of inputs that may wait; beyond it the next batch is taken.
        before: number of items that earlier sessions of the same run had in batches.
    """
    coming, taken = iter(prepared), before
    window: list[_Item] = []
    while True:
        waiting = sum(own.size for own in window)
        widest = max((own.tokens for own in window), default=1)
        while not window or (
            waiting < held and len(window) < _wanted(limit().at_once(widest), taken)
        ):
            item = next(coming, None)
            if item is None:
                break
            window.append(item)
            waiting += item.size
            widest = max(widest, item.tokens)
        if not window:
            return
        batch = _most_similar(window, limit())
        chosen = {id(own) for own in batch}
        window = [own for own in window if id(own) not in chosen]
        taken += len(batch)
        yield batch


def _wanted(at_once: int, taken: int) -> int:
    """Return how many items should wait before a batch is taken."""
    return min(FIRST_WINDOW * at_once + 2 * taken, WINDOW * at_once)


def _most_similar(window: Sequence[_Item], limit: BatchLimit) -> list[_Item]:
    """Return the full batch with the least padding, in the window's order; all if none is full.

    Only items with the same kinds of inputs go together.
    """
    alike = [own for own in window if own.kinds == window[0].kinds]
    by_length = sorted(range(len(alike)), key=lambda place: (alike[place].tokens, place))
    lengths = [alike[place].tokens for place in by_length]
    best: tuple[float, int, int] | None = None
    summed = [0]
    for length in lengths:
        summed.append(summed[-1] + length)
    for last, width in enumerate(lengths):
        first = last + 1 - limit.at_once(width)
        if first >= 0:
            share = 1 - (summed[last + 1] - summed[first]) / (width * (last + 1 - first))
            best = min(best or (share, first, last), (share, first, last))
    if best is None:
        return alike
    return [alike[place] for place in sorted(by_length[best[1] : best[2] + 1])]
