"""Grouping items into batches: one shape each, none lost, none held back for ever."""

from __future__ import annotations

import threading
import time

import torch
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.batches import ahead, batches
from mata_audio.evaluation.running.prepare import Prepared


def prepared(number: int, tokens: int) -> Prepared:
    item = Item(str(number), (), "q", (), None)
    return Prepared(item, {"input_ids": torch.zeros(1, tokens, dtype=torch.int64)}, ())


@given(st.lists(st.integers(1, 5), max_size=40), st.integers(1, 6), st.integers(0, 2000))
def test_every_item_once_in_batches_of_one_shape(lengths: list[int], size: int, held: int) -> None:
    items = [prepared(number, tokens) for number, tokens in enumerate(lengths)]
    found = list(batches(items, lambda: size, held))
    assert sorted(int(p.item.id) for batch in found for p in batch) == [*range(len(lengths))]
    for batch in found:
        assert 1 <= len(batch) <= size
        assert len({p.inputs["input_ids"].shape for p in batch}) == 1


def test_full_batches_go_at_once_and_the_rest_at_the_end() -> None:
    taken: list[int] = []

    def items() -> list[Prepared]:
        return [prepared(n, 1 + n % 2) for n in range(7)]

    for batch in batches(iter(items()), lambda: 3, 10**9):
        taken.append(len(batch))
    assert taken == [3, 3, 1]


def test_what_is_held_is_bounded() -> None:
    seen: list[int] = []

    def endless() -> object:
        for number in range(100):
            seen.append(number)
            yield prepared(number, 10 + number)  # all different: 80 bytes or more each

    first = next(batches(endless(), lambda: 4, 1000))  # type: ignore[arg-type]
    assert len(first) == 1
    assert len(seen) <= 12


@given(
    st.lists(st.integers(1, 40), max_size=40), st.integers(1, 5), st.integers(1, 2_000), st.data()
)
def test_a_run_stopped_after_any_batch_makes_the_same_ones(
    lengths: list[int], size: int, held: int, data: st.DataObject
) -> None:
    """Whatever waits for others of its shape when the run stops, and however little may wait."""
    items = [prepared(number, length) for number, length in enumerate(lengths)]

    def made(left: list[Prepared]) -> list[list[str]]:
        return [[own.item.id for own in batch] for batch in batches(left, lambda: size, held)]

    whole = made(items)
    stopped = data.draw(st.integers(0, len(whole)))
    done = {id for batch in whole[:stopped] for id in batch}
    assert made([own for own in items if own.item.id not in done]) == whole[stopped:]


def test_a_size_that_shrinks_holds_for_what_waits_already() -> None:
    size = [8]
    grouped = batches((prepared(n, 1) for n in range(16)), lambda: size[0], 10**9)
    assert len(next(grouped)) == 8
    size[0] = 3
    assert [len(batch) for batch in grouped] == [3, 3, 2]


def test_ahead_keeps_the_order_and_its_distance() -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def work(value: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.001 * (value % 3))
        with lock:
            running[0] -= 1
        return value

    started: list[int] = []

    def values() -> object:
        for value in range(50):
            started.append(value)
            yield value

    results = ahead(work, values(), workers=3, window=5)  # type: ignore[arg-type]
    assert next(results) == 0
    assert len(started) <= 6
    assert list(results) == [*range(1, 50)]
    assert most[0] <= 3
