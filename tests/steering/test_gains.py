"""The core below MATA: differentiable gains for each layer, sample and head."""

from __future__ import annotations

import copy

import pytest
import torch

from checks import QUESTIONS, assert_close, each_formula, greedy, new_tokens
from mata_audio import SettingsError
from mata_audio.families import locate
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains
from reference import Steering
from subject import Subject


def test_each_sample_has_its_own_gain(subject: Subject) -> None:
    """One batch holds a baseline and several settings, in prefill and in every decoded token."""
    texts = [QUESTIONS[0]] * 3
    inputs = subject.inputs(texts)
    inputs["input_features"] = inputs["input_features"][:1].expand(3, -1, -1).clone()
    gains = torch.zeros(4, 3, 4)
    gains[1, 1] = 0.7
    gains[2:, 2, 1] = -0.3
    with Attachment(locate(subject.model), [KeyGains(gains)]):
        output = subject.model.generate(**inputs, **greedy(subject))
    generated = new_tokens(inputs, output)
    settings = [
        {"alpha": 0.0, "layers": []},
        {"alpha": 0.7, "layers": [1]},
        {"alpha": -0.3, "layers": [2, 3], "heads": [1]},
    ]
    for sample, setting in enumerate(settings):
        one = {name: value[sample : sample + 1] for name, value in inputs.items()}
        new = generated[sample : sample + 1]
        expected = subject.expected(one, Steering(**setting), generated=new)
        assert_close(torch.stack(output.logits, 1)[sample], expected[0])


@each_formula
@pytest.mark.parametrize("side", ["left", "right"])
def test_derivative_by_the_gains(qwen2_audio: Subject, side: str, formula: str) -> None:
    """At gain 0, for every layer and head, against finite differences of the float64 model."""
    twin = copy.deepcopy(qwen2_audio.model).double()
    inputs = qwen2_audio.inputs(QUESTIONS[:2], side=side)
    inputs["input_features"] = inputs["input_features"].double()
    last = inputs["attention_mask"].cumsum(1).argmax(1)
    rows = torch.arange(2)

    def target(gains: torch.Tensor) -> torch.Tensor:
        with Attachment(locate(twin), [KeyGains(gains, formula)]):
            return twin(**inputs).logits[rows, last, :50].log_softmax(-1)[:, 7].sum()

    gains = torch.zeros(4, 1, 4, dtype=torch.float64, requires_grad=True)
    target(gains).backward()
    assert gains.grad is not None
    assert (gains.grad.abs() > 1e-6).all()
    step = 5e-3  # the model's norms round to float32, so a smaller one drowns
    for layer, head in [(0, 0), (1, 3), (2, 1), (3, 2)]:
        with torch.no_grad():
            up, down = gains.detach().clone(), gains.detach().clone()
            up[layer, 0, head] += step
            down[layer, 0, head] -= step
            slope = (target(up) - target(down)) / (2 * step)
        assert gains.grad[layer, 0, head].item() == pytest.approx(slope.item(), rel=5e-3, abs=5e-5)


def test_gains_can_be_fitted(qwen2_audio: Subject) -> None:
    """A few optimiser steps on only the gains, attached once."""
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    gains = torch.zeros(4, 1, 4, requires_grad=True)
    optimiser = torch.optim.SGD([gains], lr=0.5)
    losses = []
    with Attachment(locate(qwen2_audio.model), [KeyGains(gains)]):
        for _ in range(4):
            loss = -qwen2_audio.model(**inputs).logits[0, -1].log_softmax(-1)[9]
            optimiser.zero_grad()
            loss.backward(inputs=[gains])
            optimiser.step()
            losses.append(loss.item())
    assert losses == sorted(losses, reverse=True)
    assert losses[0] - losses[-1] > 1e-3


@pytest.mark.parametrize("shape", [(4, 4), (3, 1, 4), (4, 1, 5)])
def test_gains_of_another_shape(qwen2_audio: Subject, shape: tuple[int, ...]) -> None:
    with pytest.raises(SettingsError, match=r"\(4, ..., 4\) for this model; got"):
        Attachment(locate(qwen2_audio.model), [KeyGains(torch.ones(shape))])


def test_gains_that_do_not_divide_the_batch(qwen2_audio: Subject) -> None:
    with (
        Attachment(locate(qwen2_audio.model), [KeyGains(torch.ones(4, 2, 4))]),
        pytest.raises(SettingsError, match=r"gains for 2 samples.*batch of 3"),
    ):
        qwen2_audio.model(**qwen2_audio.inputs(QUESTIONS))
