"""Active rows other than the last: which they are, exactness, chunks, and when refused."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from checks import (
    QUESTIONS,
    assert_close,
    greedy,
    new_tokens,
    padded,
    rows_in_pieces,
    using_backend,
)
from mata_audio import MATA, SettingsError, SettingsTypeError
from mata_audio.families import locate
from mata_audio.models.prefill import prefill
from mata_audio.notation.rows import LAST, PromptRows, read_rows
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains
from mata_audio.steering.prompt import Prompt
from reference import Steering
from subject import Subject

LAYERS = [1, 2]
ROWS = ["all", "after-audio", "last-5", "random-9"]
CPU = torch.device("cpu")


def expected_rows(which: PromptRows, audio: list[bool]) -> set[int]:
    """The active tokens of one prompt, written out; not for random rows."""
    n = len(audio)
    if which.kind == "all":
        return set(range(n))
    if which.kind == "last":
        return set(range(max(0, n - which.count), n))
    heard = [place for place, is_audio in enumerate(audio) if is_audio]
    return set(range(heard[-1] + 1, n)) or {n - 1}


targets = st.one_of(
    st.sampled_from([PromptRows("all"), PromptRows("after-audio"), LAST]),
    st.builds(PromptRows, st.just("last"), st.integers(1, 9)),
    st.builds(PromptRows, st.just("random"), st.integers(1, 9), st.integers(0, 2**40)),
)
prompts = st.lists(st.lists(st.booleans(), min_size=1, max_size=8), min_size=1, max_size=4)


@given(which=targets, samples=prompts, left=st.booleans(), data=st.data())
def test_rows_whatever_the_padding_and_the_pieces(
    which: PromptRows, samples: list[list[bool]], left: bool, data: st.DataObject
) -> None:
    width = max(map(len, samples))
    audio, real = padded(samples, left)
    prompt = Prompt.build(audio.numpy(), real.numpy(), prompt_rows=which)

    total = width + 2  # two generated tokens
    got = rows_in_pieces(prompt, total, data)

    for row, tokens in enumerate(samples):
        if not any(tokens):
            assert not got[row, : width - 1].any()
            continue
        found = set(got[row, :width][real[row]].nonzero().flatten().tolist())
        if which.kind == "random":
            masks = (mask.numpy() for mask in padded([tokens], left))
            alone = Prompt.build(*masks, prompt_rows=which)
            assert found == set(alone.active[0].nonzero()[0].tolist())
            assert len(found) == min(which.count, len(tokens))
        else:
            assert found == expected_rows(which, tokens)
        assert got[row, width:].all()
        assert not got[row, :width][~real[row]].any()


def test_random_rows_are_spread_evenly_and_follow_the_seed() -> None:
    audio = real = np.ones((1, 20), dtype=bool)
    counts = np.zeros(20)
    for seed in range(400):
        counts += Prompt.build(audio, real, prompt_rows=PromptRows("random", 5, seed)).active[0]
    assert counts.sum() == 5 * 400
    assert abs(counts - 100).max() < 45  # five standard deviations
    again = [
        Prompt.build(audio, real, prompt_rows=PromptRows("random", 5, 3)).active for _ in range(2)
    ]
    assert np.array_equal(*again)


def changed_rows(subject: Subject, inputs: dict[str, Tensor], which: PromptRows) -> Tensor:
    """The active slots of a padded batch; random ones are drawn by the product."""
    ids, real = inputs["input_ids"], inputs["attention_mask"].bool()
    audio = ids == subject.audio_token_id
    if which.kind == "random":
        prompt = Prompt.build(audio.numpy(), real.numpy(), prompt_rows=which)
        return torch.from_numpy(prompt.active)
    rows = torch.zeros_like(real)
    for sample in range(len(ids)):
        slots = real[sample].nonzero().flatten()
        heard = audio[sample][slots].tolist()
        if any(heard):
            rows[sample, slots[sorted(expected_rows(which, heard))]] = True
    return rows


@pytest.mark.parametrize("backend", ["sdpa", "eager"])
@pytest.mark.parametrize("formula", ["multiply", "absolute"])
@pytest.mark.parametrize("rows", ROWS)
def test_generation_is_exact(subject: Subject, rows: str, formula: str, backend: str) -> None:
    setting: dict[str, Any] = {"alpha": 0.7, "layers": LAYERS, "formula": formula}
    inputs = subject.inputs(QUESTIONS)
    with (
        using_backend(subject.model, backend),
        MATA(**setting, rows=rows, seed=4)(subject.model) as applied,
    ):
        output = subject.model.generate(**inputs, **greedy(subject))
    of_prompt = changed_rows(subject, inputs, read_rows(rows, 4))
    generated = new_tokens(inputs, output)
    expected, last = (
        subject.expected(inputs, Steering(**setting, rows=active), generated=generated)
        for active in (of_prompt, "last")
    )
    assert_close(torch.stack(output.logits, 1), expected)
    assert (expected - last)[:2].abs().amax((1, 2)).min() > 1e-3
    decoded = 2 * (generated.shape[1] - 1)  # the third sample has no audio
    assert applied.receipt.active_rows == int(of_prompt.sum()) + decoded


@pytest.mark.parametrize("side", ["left", "right"])
@pytest.mark.parametrize("scores", [1, 2000, 2**23])
@pytest.mark.parametrize("rows", ROWS)
def test_every_row_of_a_plain_pass(
    subject: Subject, rows: str, scores: int, side: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Row by row, in chunks and at once; each layer reads the changed rows of the one before."""
    monkeypatch.setattr("mata_audio.steering.layer.MAX_SCORES", scores)
    setting: dict[str, Any] = {"alpha": 0.7, "layers": LAYERS}
    inputs = subject.inputs(QUESTIONS, side=side)
    with torch.no_grad(), MATA(**setting, rows=rows)(subject.model):
        found = subject.model(**inputs, **subject.layout.positions(inputs)).logits
    active = changed_rows(subject, inputs, read_rows(rows, 0))
    expected = subject.expected(inputs, Steering(**setting, rows=active))
    real = inputs["attention_mask"].bool()
    assert_close(found[real], expected[real])


def test_one_prompt_without_padding(subject: Subject) -> None:
    """Every row is active and there is no mask: the stock function must still run."""
    inputs = subject.inputs(QUESTIONS[:1])
    with torch.no_grad(), MATA(alpha=0.7, layers=LAYERS, rows="all")(subject.model):
        found = subject.model(**inputs).logits
    rows = torch.ones_like(inputs["input_ids"], dtype=torch.bool)
    expected = subject.expected(inputs, Steering(LAYERS, rows=rows))
    assert_close(found, expected)


def test_the_last_one_row_is_the_default(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS)
    logits = []
    for rows in ("last", "last-1"):
        with torch.no_grad(), MATA(alpha=0.7, layers=LAYERS, rows=rows)(subject.model):
            logits.append(subject.model(**inputs).logits)
    assert torch.equal(*logits)


def test_negative_share_counts_what_a_row_can_see(subject: Subject) -> None:
    """A row has no score for audio that comes after it."""
    inputs = subject.inputs(QUESTIONS[:1])
    located = locate(subject.model)
    seen: list[Tensor] = []
    gains = torch.zeros(located.depth, 1, located.heads)
    gains[1] = 0.7
    how: dict[str, Any] = {
        "observer": lambda shown: seen.append(shown.raw) if shown.layer == 1 else None,
        "prompt_rows": PromptRows("all"),
    }
    with torch.no_grad(), Attachment(located, [KeyGains(gains)], **how) as attachment:
        subject.model(**inputs)
    (raw,) = seen
    length = inputs["input_ids"].shape[1]
    audio = (inputs["input_ids"][0] == subject.audio_token_id)[None, :]
    visible = audio & torch.ones(length, length, dtype=torch.bool).tril()
    below = int(((raw[0] < 0) & visible).sum()) / (int(visible.sum()) * located.heads)
    assert attachment.receipt.negative_share == pytest.approx(below, abs=1e-9)


def test_a_cache_filled_unsteered_is_refused(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    located = locate(subject.model)
    with torch.no_grad():
        cache = prefill(located, inputs)
    gains = torch.ones(located.depth, 1, located.heads)
    with (
        Attachment(located, [KeyGains(gains)], prompt_rows=PromptRows("all")) as attachment,
        pytest.raises(SettingsError, match='rows="last"'),
    ):
        attachment.adopt(cache, inputs["input_ids"])


@pytest.mark.parametrize("rows", ["", "first", "last-0", "last-", "random", "random--1", "last 3"])
def test_other_values_are_refused(rows: str) -> None:
    with pytest.raises(SettingsError, match='"after-audio", "last-K", "random-K"'):
        MATA(rows=rows)


def test_wrong_types_are_refused() -> None:
    with pytest.raises(SettingsTypeError, match="rows must be"):
        MATA(rows=3)  # type: ignore[arg-type]
    with pytest.raises(SettingsTypeError, match="seed must be an int"):
        MATA(rows="random-3", seed=1.5)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="seed must be from 0"):
        MATA(rows="random-3", seed=-1)


def test_drawing_rows_leaves_the_generators_alone(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs(QUESTIONS)
    torch.manual_seed(1), random.seed(1)
    with torch.no_grad(), MATA(layers=LAYERS, rows="random-3")(qwen2_audio.model):
        qwen2_audio.model(**inputs)
    after = torch.rand(1)
    torch.manual_seed(1)
    assert torch.equal(after, torch.rand(1))
