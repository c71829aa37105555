"""In every family, each active row and no other is changed, as in the float64 reference."""

from __future__ import annotations

from typing import Any, NamedTuple

import pytest
import torch
from torch import Tensor

import checks
from checks import NEW_TOKENS, assert_close, each_formula, greedy, using_backend
from families.subjects import FamilySubject
from mata_audio import MATA
from mata_audio.steering.receipt import Receipt
from reference import Steering
from traces import traces

EFFECT = 1e-3


def mata(steering: Steering) -> MATA:
    return MATA(**vars(steering))


class Reading(NamedTuple):
    """Logits of a prompt of three samples, and which of its rows are real and which are last."""

    baseline: Tensor
    steered: Tensor
    real: Tensor
    last: Tensor
    receipt: Receipt


def read_exactly(subject: FamilySubject, inputs: dict[str, Any], steering: Steering) -> Reading:
    """Check a pass over three prompts, the last without clip or picture: exact, visible, undone."""
    call = {**inputs, **subject.layout.positions(inputs)}
    before = traces(subject.small.model)
    with torch.no_grad():
        baseline = subject.model(**call).logits
        with mata(steering)(subject.small.model) as applied:
            steered = subject.model(**call).logits
        again = subject.model(**call).logits
    assert traces(subject.small.model) == before
    assert torch.equal(again, baseline)
    real = inputs["attention_mask"].bool()
    assert_close(steered[real], subject.expected(inputs, steering)[real])
    last = torch.zeros_like(real)
    for sample in range(2):
        last[sample, real[sample].nonzero().flatten()[-1]] = True
    assert ((steered - baseline).abs().amax(-1)[last] > EFFECT).all()
    return Reading(baseline, steered, real, last, applied.receipt)


@pytest.mark.parametrize("side", ["left", "right"])
@each_formula
def test_reading_a_prompt(family: FamilySubject, formula: str, side: str) -> None:
    inputs = family.small.inputs(family.small.questions, side)
    read = read_exactly(family, inputs, Steering(family.layers, formula=formula))
    untouched = read.real & ~read.last
    assert torch.equal(read.steered[untouched], read.baseline[untouched])
    assert read.receipt.active_rows == 2
    assert read.receipt.layers == tuple(family.layers)


@each_formula
def test_cached_generation(family: FamilySubject, formula: str) -> None:
    steering = Steering(family.layers, formula=formula)
    inputs = family.small.inputs(family.small.questions)
    assert_generated_exactly(family, inputs, steering)


def test_cached_generation_with_some_heads(family: FamilySubject) -> None:
    steering = Steering(family.layers, heads=[1, 2])
    assert_generated_exactly(family, family.small.inputs(family.small.questions), steering)


def assert_same_alone(family: FamilySubject, tokens: str) -> None:
    """Check that a prompt's logits are the same with other prompts in the batch and without."""
    questions = family.small.questions_about(tokens)
    with mata(Steering(family.layers, tokens=tokens))(family.small.model):
        together, *alone = (
            family.model.generate(**family.small.inputs(asked), **greedy(family)).logits
            for asked in (questions, questions[:1], questions[1:2])
        )
    for sample, logits in enumerate(alone):
        assert_close(torch.stack(together)[:, sample : sample + 1], torch.stack(logits))


def test_a_sample_is_the_same_alone(family: FamilySubject) -> None:
    assert_same_alone(family, "audio")


def test_multiply_decodes_on_scaled_keys(family: FamilySubject, scaled_layers: set[int]) -> None:
    """Other formulas rewrite rows, as do Gemma's sliding layers and layers with shared keys."""
    inputs = family.small.inputs(family.small.questions)
    for formula in ("add", "multiply"):
        assert not scaled_layers
        with mata(Steering(family.layers, formula=formula))(family.small.model):
            family.model.generate(**inputs, **greedy(family))
    assert scaled_layers == ({1} if "gemma" in family.small.model_type else set(family.layers))


def test_eager_attention(family: FamilySubject) -> None:
    steering = Steering(family.layers)
    with using_backend(family.decoder, "eager"):
        assert_generated_exactly(family, family.small.inputs(family.small.questions), steering)


def assert_generated_exactly(
    family: FamilySubject, inputs: dict[str, Any], steering: Steering
) -> None:
    """Check each step's logits, that the setting had an effect, and that it left no trace."""
    before = traces(family.small.model)
    with mata(steering)(family.small.model):
        output = family.model.generate(**inputs, **greedy(family))
    assert traces(family.small.model) == before
    assert len(output.logits) == NEW_TOKENS
    checks.assert_generated_exactly(family, inputs, output, **vars(steering))
