"""What methods make of logits, on random ones in float64; and their published default values."""

from __future__ import annotations

import pytest
import torch
from entries import Entry, each
from torch import Tensor

from mata_audio.methods import METHODS
from mata_audio.steering.gain_tensor import chosen_layers

VOCABULARY = 12


def logits(*shape: int, seed: int = 0) -> Tensor:
    """Random logits: some rows are sure of a token, some are not."""
    generator = torch.Generator().manual_seed(seed)
    made = torch.randn(*shape, VOCABULARY, dtype=torch.float64, generator=generator)
    spread = torch.linspace(0.05, 6, shape[-1], dtype=torch.float64)
    return made * spread[:, None]


@pytest.mark.parametrize(**each(lambda entry: entry.mixed is not None))
def test_views_become_one_by_the_formula(entry: Entry) -> None:
    assert entry.mixed is not None
    views = logits(2, 3, 20)
    for method in (entry.method, type(entry.method)()):
        combine = method.rule().combine
        if combine is None:
            assert method in entry.neutral
            continue
        seen = [torch.rand(3, 20, dtype=torch.float64)] if entry.share_of else []
        expected = entry.mixed(method, *views, *seen)
        torch.testing.assert_close(combine(views, *seen), expected, rtol=0, atol=1e-12)
        if getattr(method, "cut", 0):
            assert expected.isinf().any()
            assert expected.isfinite().any(-1).all()


@pytest.mark.parametrize(**each(lambda entry: entry.factor is not None))
def test_a_first_look_sets_the_strength_by_the_formula(entry: Entry) -> None:
    assert entry.factor is not None
    seen = logits(60, seed=1)
    method = type(entry.method)()
    rule = method.rule()
    assert rule.look is not None
    assert rule.look.each_step == entry.each_step
    assert [change.alpha for change in rule.views[0]] == [1.0]  # so that 1 + strength is the factor
    expected = entry.factor(method, seen) - 1
    torch.testing.assert_close(rule.look.strength(seen).double(), expected.double())
    assert torch.unique(expected.sign()).numel() > 1, "the rows are on one side of the threshold"


@pytest.mark.parametrize(**each())
def test_default_values_are_the_published(entry: Entry) -> None:
    method = type(entry.method)()
    assert {name: getattr(method, name) for name in entry.published} == dict(entry.published)
    if entry.layers_of_32 is not None:
        for change in method.rule().views[0]:
            assert chosen_layers(change, 32) == tuple(entry.layers_of_32)


def test_changes_at_the_thresholds() -> None:
    """AdaptVis rounds p and compares strictly; CAAC does neither."""

    def of_probability(p: float) -> Tensor:
        rest = [(1 - p) / 9] * 9
        return torch.tensor([[p, *rest]], dtype=torch.float64).log()

    look = METHODS["adaptvis"]().rule().look
    assert look is not None
    assert [float(look.strength(of_probability(p))) for p in (0.394, 0.396, 0.4, 0.404)] == [
        -0.5,
        0.5,
        0.5,
        0.5,
    ]
    look = METHODS["caac"]().rule().look
    assert look is not None
    found = [float(look.strength(of_probability(p))) for p in (0.1, 0.2499, 0.2501, 0.9)]
    assert found == pytest.approx([0.45, 0.37505, 0.0, 0.0])
