"""Which rows of a step are active and what they see, against a plain count. Needs no vLLM."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.methods import MATA
from mata_audio.steering.prompt import Prompt
from mata_audio.vllm_plugin.layer import SteeredBatch, SteeredStep
from mata_audio.vllm_plugin.step import Ledger, Piece, SteeredRequest, step_of

CPU = torch.device("cpu")


def steered(length: int, audio: int) -> SteeredRequest:
    """Return a request whose prompt has so many tokens, the first ones audio."""
    heard = np.arange(length)[None] < audio
    return SteeredRequest(MATA(), Prompt.build(heard, np.ones_like(heard)))


@st.composite
def batches(draw: st.DrawFn) -> list[Piece]:
    """Draw a batch: pieces of prompts, last tokens, drafts, and requests that are not steered."""
    pieces = []
    for _ in range(draw(st.integers(1, 6))):
        length = draw(st.integers(1, 20))
        request = steered(length, draw(st.integers(1, length))) if draw(st.booleans()) else None
        pieces.append(Piece(request, draw(st.integers(0, 30)), draw(st.integers(1, 8))))
    return pieces


@given(batches())
def test_active_rows(pieces: list[Piece]) -> None:
    expected: dict[int, set[tuple[int, int]]] = {}
    row = 0
    for place, piece in enumerate(pieces):
        for position in range(piece.start, piece.start + piece.count):
            if piece.request is not None and position >= piece.request.prompt.width - 1:
                expected.setdefault(place, set()).add(
                    (row, piece.start + piece.count - position - 1)
                )
            row += 1
    step = step_of(pieces, CPU)
    if step is None:
        assert not expected
        return
    assert step.places.tolist() == sorted(expected)
    for place, rows, offsets in zip(
        step.places.tolist(), step.rows.tolist(), step.offsets.tolist(), strict=True
    ):
        assert set(zip(rows, offsets, strict=True)) == expected[place]
    assert step.count == sum(map(len, expected.values()))


@given(batches(), st.sampled_from([2, 4, 8]), st.none() | st.integers(1, 12))
def test_what_rows_see(pieces: list[Piece], size: int, window: int | None) -> None:
    step = step_of(pieces, CPU)
    if step is None:
        return
    blocks = -(-step.longest // size)
    table = torch.arange(1, len(pieces) * blocks + 1).view(len(pieces), blocks)
    lengths = torch.tensor([piece.start + piece.count for piece in pieces])
    metadata = SimpleNamespace(seq_lens=lengths, block_table=table)
    everything = slice(0, len(step.requests))
    sight = SteeredStep(step, SteeredBatch(step.requests, [], CPU)).sight(
        metadata, blocks, size, window, everything
    )
    for number, place in enumerate(step.places.tolist()):
        for row, offset in enumerate(step.offsets[number].tolist()):
            position = int(lengths[place]) - 1 - offset
            first = 0 if window is None else max(0, position - window + 1)
            seen = sight.seen[number, 0, row].nonzero().flatten().tolist()
            assert seen == list(range(first, position + 1))
        anyone = sight.seen[number, 0].any(dim=0)
        assert torch.equal(sight.unseen[number, 0, :, 0], ~anyone)
        for block in range(blocks):
            needed = bool(anyone[block * size : (block + 1) * size].any())
            assert sight.blocks[number, block] == (table[place, block] if needed else 0)


def scheduled(
    new: dict[str, int], known: dict[str, int], counts: dict[str, int], *done: str
) -> Any:
    """Return what a scheduler says: requests with the tokens that were read of them before."""
    return SimpleNamespace(
        finished_req_ids=set(done),
        scheduled_new_reqs=[
            SimpleNamespace(req_id=name, num_computed_tokens=read) for name, read in new.items()
        ],
        scheduled_cached_reqs=SimpleNamespace(
            req_ids=list(known), num_computed_tokens=list(known.values())
        ),
        num_scheduled_tokens=counts,
    )


def test_the_ledger_follows_requests() -> None:
    """A pause keeps a request; its end forgets it, and the same name may come again."""
    made: list[str] = []

    def make(new: Any) -> SteeredRequest | None:
        made.append(new.req_id)
        return steered(4, 2) if new.req_id == "a" else None

    ledger = Ledger(make)
    first = ledger.pieces(scheduled({"a": 0, "b": 3}, {}, {"a": 4, "b": 2}), ["b", "a"])
    assert [(own.request is None, own.start, own.count) for own in first] == [
        (True, 3, 2),
        (False, 0, 4),
    ]
    (again,) = ledger.pieces(scheduled({}, {"a": 4}, {"a": 1}, "b"), ["a"])
    assert again == Piece(first[1].request, 4, 1)
    (resumed,) = ledger.pieces(scheduled({"a": 0}, {}, {"a": 5}), ["a"])
    assert resumed == Piece(first[1].request, 0, 5)
    assert (made, ledger.steered) == (["a", "b"], 1)
    (new,) = ledger.pieces(scheduled({"a": 0}, {}, {"a": 4}, "a"), ["a"])
    assert new.request is not first[1].request
    assert (made, ledger.steered) == (["a", "b", "a"], 2)
