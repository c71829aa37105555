"""Gradient: would the right answer grow more likely if a layer listened more?

The output is differentiable in the gains, so one backward pass over the last prompt token and the
answer gives the derivative for every layer and head at once, at a gain of 0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from mata_audio.attachment import Attachment
from mata_audio.evaluation.running.one_prefill import Inputs, prefill
from mata_audio.families import locate

UNIT = "derivative of the right answer's log-probability by the layer's gain, in nats"


def gradient(
    model: Any, inputs: Inputs, answers: Sequence[Sequence[int]], formula: str = "multiply"
) -> NDArray[np.float64]:
    """Return d log p(answer) / d gain at gain 0, shape ``(batch, layers, heads)``.

    Args:
        model: a supported model, not steered; its parameters get no gradients.
        inputs: as for :func:`mata_audio.evaluation.running.one_prefill.generate_all`.
        answers: token ids of each item's right answer, at least one each.
        formula: key of :data:`mata_audio.formulas.FORMULAS`.
    """
    located = locate(model)
    listener: Any = located.listener
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    longest = max(map(len, answers))
    target = torch.zeros(len(answers), longest, dtype=torch.long)
    counted = torch.zeros(len(answers), longest)
    for row, answer in enumerate(answers):
        target[row, : len(answer)] = torch.tensor(answer)
        counted[row, : len(answer)] = 1.0
    target, counted = target.to(ids.device), counted.to(ids.device)
    with torch.no_grad():
        cache = prefill(listener, inputs)
    gains = torch.zeros(
        located.depth, len(answers), located.heads, device=ids.device, requires_grad=True
    )
    with _frozen(model), torch.enable_grad():
        attachment = Attachment(located, gains, formula)
        try:
            attachment.adopt(cache, ids, mask)
            logits = listener(
                input_ids=torch.cat([ids[:, -1:], target[:, :-1]], dim=1),
                past_key_values=cache,
            ).logits
        finally:
            attachment.detach()
        chosen = logits.float().log_softmax(dim=-1).gather(2, target[:, :, None])[:, :, 0]
        (derivative,) = torch.autograd.grad((chosen * counted).sum(), gains)
    return derivative.transpose(0, 1).double().cpu().numpy()


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Keep the weights out of the graph."""
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in trainable:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trainable:
            weight.requires_grad_(True)
