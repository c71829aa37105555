"""Layers that run again in the backward pass are steered as in their own pass."""

from __future__ import annotations

import copy
from typing import Any

import pytest
import torch
from torch import Tensor

from checks import QUESTIONS, SETTING, each_formula, each_setting
from mata_audio import MATA, StillRunningError
from mata_audio.families import locate
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains
from subject import Subject
from traces import traces

modes = pytest.mark.parametrize("reentrant", [False, True], ids=["non-reentrant", "reentrant"])


def training(subject: Subject, reentrant: bool | None = None) -> Any:
    """A copy of the model in training, checkpointing unless ``reentrant`` is None."""
    model: Any = copy.deepcopy(subject.model).train()
    if reentrant is not None:
        options = {"use_reentrant": reentrant}
        model.gradient_checkpointing_enable(gradient_checkpointing_kwargs=options)
        model.enable_input_require_grads()
    return model


def gradients(model: Any) -> dict[str, Tensor]:
    """The gradients of the decoder's weights, which are then taken away."""
    found = {}
    for name, weight in model.named_parameters():
        if "language_model" in name and weight.grad is not None:
            found[name] = weight.grad.clone()
        weight.grad = None
    return found


def loss_of(model: Any, inputs: dict[str, Tensor]) -> Tensor:
    loss: Tensor = model(**inputs, use_cache=False).logits[:, -1, :7].float().square().sum()
    return loss


def assert_same_gradients(found: dict[str, Tensor], expected: dict[str, Tensor]) -> None:
    assert found.keys() == expected.keys()
    for name, gradient in expected.items():
        scale = max(1.0, float(gradient.abs().max()))
        assert (found[name] - gradient).abs().max() < 1e-5 * scale, name


@modes
@each_setting
def test_gradients(subject: Subject, setting: dict[str, Any], reentrant: bool) -> None:
    """Two passes before two backward passes: each layer runs again under its own pass."""
    batches = [subject.inputs(QUESTIONS[:1]), subject.inputs(QUESTIONS[1:2], seed=3)]
    model = training(subject)
    for inputs in batches:
        loss_of(model, inputs).backward()
    unsteered = gradients(model)
    with MATA(**setting)(model) as plain:
        for inputs in batches:
            loss_of(model, inputs).backward()
        expected = gradients(model)
    model = training(subject, reentrant)
    before = traces(model)
    with MATA(**setting)(model) as applied:
        losses = [loss_of(model, inputs) for inputs in batches]
        for loss in reversed(losses):
            loss.backward()
    assert_same_gradients(gradients(model), expected)
    assert applied.receipt == plain.receipt
    assert traces(model) == before
    assert any((unsteered[name] - expected[name]).abs().max() > 1e-3 for name in expected)


@each_formula
def test_gradients_of_gains(qwen2_audio: Subject, formula: str) -> None:
    """Fitted gains, shared by no two layers: each layer runs again in a graph of its own."""
    inputs, found = qwen2_audio.inputs(QUESTIONS[:1]), []
    for reentrant in (None, False, True):
        model = training(qwen2_audio, reentrant)
        gains = torch.full((4, 1, 4), 0.3, requires_grad=True)
        with Attachment(locate(model), [KeyGains(gains, formula)]):
            loss_of(model, inputs).backward()
        assert gains.grad is not None
        found.append(gains.grad)
    assert found[0].abs().max() > 1e-3
    for gradient in found[1:]:
        assert (gradient - found[0]).abs().max() < 1e-5 * max(1.0, float(found[0].abs().max()))


@modes
def test_backward_after_the_block_is_refused(subject: Subject, reentrant: bool) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    model = training(subject, reentrant)
    with MATA(**SETTING)(model):
        loss = loss_of(model, inputs)
    with pytest.raises(StillRunningError, match=r"Call backward\(\) inside the block"):
        loss.backward()
    gradients(model)
    loss_of(model, inputs).backward()  # unsteered again
    found, model = gradients(model), training(subject)
    loss_of(model, inputs).backward()
    assert_same_gradients(found, gradients(model))


def test_backward_after_the_block_without_checkpointing(subject: Subject) -> None:
    inputs = subject.inputs(QUESTIONS[:1])
    model = training(subject)
    with MATA(**SETTING)(model):
        loss_of(model, inputs).backward()
        expected = gradients(model)
        loss = loss_of(model, inputs)
    loss.backward()
    assert_same_gradients(gradients(model), expected)
