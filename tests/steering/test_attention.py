"""The mathematics in isolation: rows of attention, masks in every form, formulas."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import example, given
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.attention.flex_attention import create_block_mask

from checks import padded, rows_in_pieces
from mata_audio.steering.active_rows import Span, ragged
from mata_audio.steering.attention import (
    RowChange,
    attend_row_to_scaled_keys,
    attend_rows,
    changed_weights,
    masks_of,
)
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.masks import rows_mask
from mata_audio.steering.prompt import Prompt
from reference import changed, reweighed

CPU = torch.device("cpu")


def row_change(formula: str, alpha: Tensor, keys: Tensor) -> RowChange:
    return RowChange(FORMULAS[formula], FORMULAS[formula].applied(alpha, keys), keys)


@given(
    # batch, key heads, groups, rows, keys, head_dim
    shape=st.tuples(*(st.integers(1, most) for most in (3, 3, 3, 4, 9, 8))),
    seed=st.integers(0, 2**31),
    formula=st.sampled_from(list(FORMULAS)),
    mask_kind=st.sampled_from([None, "bool", "additive"]),
)
def test_attend_rows(
    shape: tuple[int, int, int, int, int, int], seed: int, formula: str, mask_kind: str | None
) -> None:
    batch, key_heads, groups, rows, keys, head_dim = shape
    heads = key_heads * groups
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=random, dtype=torch.float64)

    query, key = normal(batch, heads, rows, head_dim), normal(batch, key_heads, keys, head_dim)
    value, changed_keys = (
        normal(batch, key_heads, keys, head_dim + 1),
        normal(batch, 1, 1, keys) > 0,
    )
    changed_keys &= ~changed_keys.all(-1, keepdim=True)
    alpha = 2 * normal(batch, heads, 1, 1)
    visible = normal(batch, 1, rows, keys) > -0.5
    visible[..., 0] = True
    mask = {
        None: None,
        "bool": visible,
        "additive": torch.where(visible, 0.0, torch.finfo(torch.float32).min).double(),
    }[mask_kind]
    changes = [row_change(formula, alpha, changed_keys)]
    got = attend_rows(
        query, key, value, changes=changes, masks=masks_of(changes, mask), scaling=0.3
    )
    assert got.weights is not None
    for b in range(batch):
        for h in range(heads):
            raw = query[b, h] @ key[b, h // groups].T * 0.3
            scores = changed(raw, alpha[b, h] * changed_keys[b, 0], formula)
            if mask_kind:
                scores = scores.masked_fill(~visible[b, 0], -torch.inf)
            weights = reweighed(scores, changed_keys[b, 0], alpha[b, h], formula)
            torch.testing.assert_close(got.raw[b, h], raw)
            torch.testing.assert_close(got.weights[b, h], weights)
            torch.testing.assert_close(got.output[b, h], weights @ value[b, h // groups])


@given(scores=st.lists(st.floats(-50, 50), min_size=1), alpha=st.floats(-3, 3))
def test_formulas_of_scores(scores: list[float], alpha: float) -> None:
    raw = torch.tensor(scores, dtype=torch.float64)
    gain = torch.tensor(alpha, dtype=torch.float64)
    changes = {name: own.on_scores for name, own in FORMULAS.items() if own.on_scores}
    for name, formula in changes.items():
        torch.testing.assert_close(formula(raw, gain), changed(raw, alpha, name))
        assert torch.equal(formula(raw, torch.zeros(())), raw)
    if alpha >= 0:  # the sign matters: multiply lowers scores below zero, absolute never lowers one
        assert (changes["absolute"](raw, gain) >= raw).all()
        assert (changes["multiply"](raw, gain)[raw < 0] <= raw[raw < 0]).all()


@example(scores=[37.0, 0.0], audio=1, alpha=-1.0)  # all of the mass is on audio
@given(
    scores=st.lists(st.floats(-50, 50), min_size=2, max_size=9),
    audio=st.integers(1, 8),
    alpha=st.floats(-1, 9),
)
def test_laws_of_mass(scores: list[float], audio: int, alpha: float) -> None:
    """The mass on audio is multiplied by 1 + alpha; clipped, it is 1 at most."""
    raw = torch.tensor(scores, dtype=torch.float64)[None, None, None]
    spots = (torch.arange(raw.shape[3]) < min(audio, len(scores) - 1))[None, None, None]
    weights = raw.softmax(-1)
    before = weights[spots].sum()

    def changed_by(name: str, alpha: float) -> Tensor:
        changes = [row_change(name, torch.full((1, 1, 1, 1), alpha), spots)]
        return changed_weights(raw, changes, masks_of(changes, None), None)

    for name in ("mass", "clipped_mass"):
        after = changed_by(name, alpha)
        wanted = (1 + alpha) * before
        if name == "clipped_mass" and wanted > 1:
            wanted = torch.ones((), dtype=torch.float64)
        torch.testing.assert_close(after[spots].sum(), wanted)
        torch.testing.assert_close(after.sum(), torch.ones((), dtype=torch.float64))
        if name == "clipped_mass" or wanted <= 1:
            assert (after >= -1e-12).all()
        torch.testing.assert_close(changed_by(name, 0), weights, rtol=1e-15, atol=0)


def test_a_row_that_sees_only_audio_keeps_its_mass() -> None:
    """Nothing else could lose attention: in a sliding window, say."""
    query, key, value = (torch.randn(1, 2, n, 4) for n in (1, 5, 5))
    changed_keys = torch.tensor([False, True, True, True, False]).expand(1, 1, 1, 5)
    mask = changed_keys & torch.tensor([True, True, True, False, True])
    plain = attend_rows(query, key, value, changes=[], masks=masks_of([], mask), scaling=0.5)
    for name in ("mass", "clipped_mass"):
        changes = [row_change(name, torch.full((1, 2, 1, 1), 0.7), changed_keys)]
        masks = masks_of(changes, mask)
        found = attend_rows(query, key, value, changes=changes, masks=masks, scaling=0.5)
        torch.testing.assert_close(found.output, plain.output)


@given(
    # batch, key heads, groups, keys, head_dim
    shape=st.tuples(*(st.integers(1, most) for most in (3, 3, 3, 9, 8))),
    seed=st.integers(0, 2**31),
    masked=st.booleans(),
)
def test_a_fused_row_is_the_same(shape: tuple[int, ...], seed: int, masked: bool) -> None:
    batch, key_heads, groups, keys, head_dim = shape
    random = torch.Generator().manual_seed(seed)

    def normal(*size: int) -> Tensor:
        return torch.randn(*size, generator=random, dtype=torch.float64)

    query = normal(batch, key_heads * groups, 1, head_dim)
    key, value = normal(batch, key_heads, keys, head_dim), normal(batch, key_heads, keys, 3)
    changed_keys = normal(batch, 1, 1, keys) > 0
    visible = normal(batch, 1, 1, keys) > -0.5
    visible[..., 0] = True
    changes = [row_change("multiply", normal(batch, 1, 1, 1), changed_keys)]
    masks = masks_of(changes, visible) if masked else None
    rows = attend_rows(query, key, value, changes=changes, masks=masks, scaling=0.3)
    own = None if masks is None else masks[0].double()
    scaled = key * (1 + changes[0].applied.transpose(2, 3))
    fused = attend_row_to_scaled_keys(query, key, scaled, value, own, 0.3)
    assert torch.equal(fused.raw, rows.raw)
    torch.testing.assert_close(fused.output, rows.output)


def test_the_reference_refuses_a_formula_that_it_does_not_know() -> None:
    with pytest.raises(AssertionError, match=r"write divide in tests/reference\.py"):
        changed(torch.ones(2), 0.5, "divide")


def masks(real: Tensor, past: int, queries: int) -> dict[str, object]:
    """One causal mask with padding, in every form that Transformers passes on."""
    batch, keys = real.shape
    slots = torch.arange(keys)
    visible = (slots <= past + torch.arange(queries)[:, None]) & real[:, None, None, :]

    def allowed(b: Tensor, h: Tensor, q: Tensor, kv: Tensor) -> Tensor:
        return (kv <= q + past) & real[b, kv]

    return {
        "bool": visible,
        "additive": torch.where(visible, 0.0, torch.finfo(torch.float32).min),
        "flash": real.long(),
        "flex": create_block_mask(allowed, batch, None, queries, keys, device="cpu"),
    }


@pytest.mark.parametrize("form", ["bool", "additive", "flash", "flex"])
@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("past", [0, 3])
def test_masks_agree(form: str, side: str, past: int) -> None:
    real = torch.tensor([[0, 0, 1, 1, 1, 1, 1, 1], [1, 1, 1, 1, 1, 1, 1, 1]]).bool()
    real = real if side == "left" else real.flip(1)
    queries = 8 - past
    everything = masks(real, past, queries)
    active = torch.zeros(2, queries, dtype=torch.bool)
    active[0, [1, 4]] = active[1, 2] = True
    for rows in (ragged(active.numpy(), CPU), Span(queries - 1, queries, 2), Span(0, queries, 2)):
        got = rows_mask(everything[form], rows, batch=2, keys=8, first=past, device=CPU)
        assert got is not None
        got = got if got.dtype == torch.bool else got == 0
        places = rows.places(CPU).expand(2, -1)
        for sample in range(2):
            for row, place in enumerate(places[sample]):
                expected = everything["bool"][sample, 0, place]
                assert torch.equal(got[sample, 0, row], expected)


def test_without_a_mask_attention_is_causal() -> None:
    last = Span(4, 5, 1)
    assert rows_mask(None, last, batch=1, keys=8, first=3, device=CPU) is None
    # A static cache has empty slots at its end.
    got = rows_mask(None, last, batch=1, keys=16, first=3, device=CPU)
    assert got is not None
    assert got.flatten().tolist() == [True] * 8 + [False] * 8


def test_sliding_window() -> None:
    got = rows_mask(None, Span(4, 5, 1), batch=1, keys=8, first=3, device=CPU, window=3)
    assert got is not None
    assert got.flatten().nonzero().flatten().tolist() == [5, 6, 7]


prompts = st.lists(st.tuples(st.integers(0, 5), st.integers(1, 6)), min_size=1, max_size=4)


@given(samples=prompts, left=st.booleans(), data=st.data())
def test_active_rows_follow_the_rule(
    samples: list[tuple[int, int]], left: bool, data: st.DataObject
) -> None:
    """Position >= prompt_length - 1, whatever the padding, the prompt length and the pieces."""
    lengths = [audio + text for audio, text in samples]
    width = max(lengths)
    audio, real = padded([[True] * clip + [False] * text for clip, text in samples], left)
    prompt_lengths = [
        data.draw(st.integers(1, length), label="prompt length") for length in lengths
    ]
    given_length = data.draw(st.booleans(), label="given")
    ends = prompt_lengths if given_length else lengths
    lengths = np.array(prompt_lengths) if given_length else None
    prompt = Prompt.build(audio.numpy(), real.numpy(), lengths)

    total = width + 3  # three generated tokens
    got = rows_in_pieces(prompt, total, data)

    for row, ((clip, _), end) in enumerate(zip(samples, ends, strict=True)):
        seen = 0
        for slot in range(total):
            is_real = slot >= width or bool(real[row, slot])
            seen += is_real
            # After the prompt, rows of samples without audio are computed too, and do not change.
            if clip:
                assert got[row, slot] == (is_real and seen >= end), (row, slot)
            elif slot < width - 1:
                assert not got[row, slot]
