"""Grouping items into batches: none lost, none held back for ever, and again the same."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.errors import SettingsError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.batch_limit import (
    BATCHINGS,
    Batching,
    BatchLimit,
    read_batch_size,
)
from mata_audio.evaluation.running.grouping import exact_batches, padded_batches
from mata_audio.evaluation.running.prepare import Prepared

LENGTHS = st.lists(st.integers(1, 40), max_size=60)
LIMITS = st.one_of(
    st.builds(BatchLimit, prompts=st.integers(1, 6)),
    st.builds(BatchLimit, tokens=st.integers(1, 150)),
)
MANY_BYTES = 10**9


def prepared(number: int, tokens: int) -> Prepared:
    item = Item(str(number), (), "q", (), None)
    return Prepared(item, {"input_ids": torch.zeros(1, tokens, dtype=torch.int64)}, ())


def grouped(
    batching: Batching,
    items: Iterable[Prepared],
    limit: BatchLimit,
    held: int = MANY_BYTES,
    before: int = 0,
) -> Iterator[list[Prepared]]:
    if batching == "exact":
        return exact_batches(items, lambda: limit, held)
    return padded_batches(items, lambda: limit, held, before)


@pytest.mark.parametrize("batching", BATCHINGS)
@given(lengths=LENGTHS, limit=LIMITS, held=st.integers(0, 2000))
def test_every_item_once_within_the_limit(
    batching: Batching, lengths: list[int], limit: BatchLimit, held: int
) -> None:
    items = [prepared(number, tokens) for number, tokens in enumerate(lengths)]
    found = list(grouped(batching, items, limit, held))
    assert sorted(int(p.item.id) for batch in found for p in batch) == [*range(len(lengths))]
    for batch in found:
        widest = max(own.tokens for own in batch)
        if limit.prompts is not None:
            assert len(batch) <= limit.prompts
        else:
            assert len(batch) == 1 or len(batch) * widest <= limit.tokens
        if batching == "exact":
            assert {own.tokens for own in batch} == {widest}


@pytest.mark.parametrize("batching", BATCHINGS)
@given(lengths=LENGTHS, limit=LIMITS, held=st.integers(1, 5_000), data=st.data())
def test_a_run_stopped_after_any_batch_makes_the_same_ones(
    batching: Batching, lengths: list[int], limit: BatchLimit, held: int, data: st.DataObject
) -> None:
    """Whatever waits for others when the run stops, and however little may wait."""
    items = [prepared(number, length) for number, length in enumerate(lengths)]

    def made(left: list[Prepared], before: int) -> list[list[str]]:
        found = grouped(batching, left, limit, held, before)
        return [[own.item.id for own in batch] for batch in found]

    whole = made(items, 0)
    stopped = data.draw(st.integers(0, len(whole)))
    done = {id for batch in whole[:stopped] for id in batch}
    assert made([own for own in items if own.item.id not in done], len(done)) == whole[stopped:]


def test_full_batches_go_at_once_and_the_rest_at_the_end() -> None:
    items = [prepared(n, 1 + n % 2) for n in range(7)]
    found = exact_batches(iter(items), lambda: BatchLimit(prompts=3), MANY_BYTES)
    assert [len(batch) for batch in found] == [3, 3, 1]


@pytest.mark.parametrize("batching", BATCHINGS)
def test_what_is_held_is_bounded(batching: Batching) -> None:
    seen: list[int] = []

    def endless() -> Iterator[Prepared]:
        for number in range(100):
            seen.append(number)
            yield prepared(number, 10 + number)  # all different: 80 bytes or more each

    first = next(grouped(batching, endless(), BatchLimit(prompts=4), 1000))
    assert len(first) == (1 if batching == "exact" else 4)
    assert len(seen) <= 12


def test_a_limit_that_shrinks_holds_for_what_waits_already() -> None:
    limit = [BatchLimit(prompts=8)]
    found = exact_batches((prepared(n, 1) for n in range(16)), lambda: limit[0], MANY_BYTES)
    assert len(next(found)) == 8
    limit[0] = BatchLimit(prompts=3)
    assert [len(batch) for batch in found] == [3, 3, 2]


def test_the_first_padded_batch_waits_for_two_batches_worth() -> None:
    seen: list[int] = []

    def items() -> Iterator[Prepared]:
        for number in range(1000):
            seen.append(number)
            yield prepared(number, 1 + number)

    found = padded_batches(items(), lambda: BatchLimit(prompts=16), MANY_BYTES)
    assert len(next(found)) == 16
    assert len(seen) == 32
    for _ in range(40):
        next(found)
    assert len(seen) <= (40 + 16) * 16


def test_padded_batches_are_full_and_of_similar_lengths() -> None:
    generator = torch.Generator().manual_seed(0)
    lengths = torch.randint(100, 900, (1000,), generator=generator).tolist()
    items = [prepared(number, length) for number, length in enumerate(lengths)]
    found = list(padded_batches(items, lambda: BatchLimit(prompts=16), MANY_BYTES))
    assert [len(batch) for batch in found] == [16] * 62 + [8]
    in_order = [items[first : first + 16] for first in range(0, 1000, 16)]

    def padding(batches: list[list[Prepared]]) -> float:
        slots = sum(len(batch) * max(own.tokens for own in batch) for batch in batches)
        return 1 - sum(lengths) / slots

    assert padding(found) < 0.07
    assert padding(in_order) > 0.3  # without looking for similar ones


def test_only_items_with_the_same_kinds_of_inputs_go_together() -> None:
    def of(number: int) -> Prepared:
        own = prepared(number, 5)
        if number % 2:
            own.inputs["input_features"] = torch.zeros(1, 2, 3)
        return own

    limit = BatchLimit(prompts=4)
    for batch in padded_batches([of(number) for number in range(10)], lambda: limit, MANY_BYTES):
        assert len({own.kinds for own in batch}) == 1


@pytest.mark.parametrize(
    ("size", "limit"),
    [
        (16, BatchLimit(prompts=16)),
        ("16", BatchLimit(prompts=16)),
        ("tokens=4096", BatchLimit(tokens=4096)),
        ("auto", None),
    ],
)
def test_batch_sizes(size: int | str, limit: BatchLimit | None) -> None:
    assert read_batch_size(size) == limit


@pytest.mark.parametrize("size", [0, -1, "0", "tokens=0", "tokens=", "many", "1.5", True, "-3"])
def test_wrong_batch_sizes(size: int | str) -> None:
    with pytest.raises(SettingsError, match=r'such as "tokens=16384", or "auto"; got'):
        read_batch_size(size)


def test_half_of_a_batch() -> None:
    assert BatchLimit(prompts=16).halved(10, 100) == BatchLimit(prompts=5)
    assert BatchLimit(tokens=4096).halved(10, 400) == BatchLimit(tokens=2000)
    assert BatchLimit(prompts=1).halved(1, 7) == BatchLimit(prompts=1)
