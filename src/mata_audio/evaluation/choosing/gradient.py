"""Gradient: would the right answer be likelier if a layer, or a head, listened more?

The output is differentiable in the gains, so one backward pass over the last prompt token and the
answer gives the derivative for every layer and head at once, at a gain of 0.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from mata_audio.evaluation.choosing.evidence import Evidence, bootstrap, window_evidence
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.choosing.prefilled import frozen, prefill_prompts
from mata_audio.families import locate
from mata_audio.methods.mata import MATA
from mata_audio.models.prefill import Inputs
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains

UNIT = "derivative of the right answer's log-probability by the layer's gain, in nats"


def measure(measuring: Measuring) -> Evidence:
    """Choose the window of layers whose gain helps most on average.

    Raises:
        DataError: an item's answer is hidden.
    """
    return window_evidence("gradient", UNIT, _derivatives(measuring).sum(axis=2))


def measure_heads(measuring: Measuring) -> Evidence:
    """Choose all heads whose gain helps on average: their interval lies above 0.

    If there are none, choose the head with the largest derivative.

    Raises:
        DataError: an item's answer is hidden.
    """
    derivatives = _derivatives(measuring)
    mean, low, high = bootstrap(derivatives)
    helps = low > 0
    if not helps.any():
        helps.flat[np.argmax(mean)] = True
    return replace(
        window_evidence("gradient-heads", UNIT, derivatives.sum(axis=2)),
        setting=MATA(gains=helps.astype(float).tolist()),
        facts={"heads": {"mean": mean.tolist(), "low": low.tolist(), "high": high.tolist()}},
    )


def _derivatives(measuring: Measuring) -> NDArray[np.float64]:
    """Return the derivatives of all items, shape ``(items, layers, heads)``."""
    model = measuring.loaded.model
    ((change,),) = measuring.method.rule().views
    formula = change.formula
    derivatives = [
        gradient(model, batch.inputs, measuring.answers(batch.items), formula)
        for batch in measuring.batches()
    ]
    return np.concatenate(derivatives)


def gradient(
    model: Any, inputs: Inputs, answers: Sequence[Sequence[int]], formula: str = "multiply"
) -> NDArray[np.float64]:
    """Return d log p(answer) / d gain at gain 0, shape ``(batch, layers, heads)``.

    Args:
        model: a supported model, not steered; its parameters get no gradients.
        inputs: as for :func:`mata_audio.models.one_prefill.generate_all`.
        answers: token ids of each item's right answer, at least one each.
        formula: what the gains are of.
    """
    located = locate(model)
    prompts = prefill_prompts(model, inputs, answers)
    gains = torch.zeros(
        located.depth, len(answers), located.heads, device=prompts.ids.device, requires_grad=True
    )
    with frozen(model), torch.enable_grad():
        with Attachment(located, [KeyGains(gains, formula)]) as attachment:
            log_p = prompts.log_p(attachment, last_use=True)
        (derivative,) = torch.autograd.grad(prompts.of_answer(log_p).sum(), gains)
    return derivative.transpose(0, 1).double().cpu().numpy()
