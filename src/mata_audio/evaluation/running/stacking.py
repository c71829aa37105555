"""From prepared items to the inputs of one batch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from mata_audio.evaluation.running.prepare import Prepared
from mata_audio.models.loading import Loaded
from mata_audio.models.prefill import BY_TOKEN


def stacked(batch: Sequence[Prepared], loaded: Loaded) -> dict[str, Tensor]:
    """Return the inputs of a batch on the model's device, real numbers in its dtype.

    Prompts are padded on the left to the longest, and features of clips on the right.
    """
    return _stacked([item.inputs for item in batch], loaded)


def stacked_others(batch: Sequence[Prepared], loaded: Loaded) -> dict[str, dict[str, Tensor]]:
    """Return the inputs of a batch's second prompts by name, as :func:`stacked` does."""
    return {
        name: _stacked([item.others[name] for item in batch], loaded) for name in batch[0].others
    }


def _stacked(inputs: Sequence[dict[str, Tensor]], loaded: Loaded) -> dict[str, Tensor]:
    weight = next(loaded.model.parameters())
    return {
        name: value.to(weight.device, weight.dtype if value.is_floating_point() else None)
        for name in inputs[0]
        for value in [_joined(name, [own[name] for own in inputs], loaded.processor)]
    }


def _joined(name: str, values: Sequence[Tensor], processor: Any) -> Tensor:
    """Return values of several prompts below each other, the shorter ones padded."""
    if len({own.shape[1:] for own in values}) == 1:
        return torch.cat(list(values))
    widest = [max(sizes) for sizes in zip(*(own.shape[1:] for own in values), strict=True)]
    padding = _pad_token(processor) if name == "input_ids" else 0
    padded = []
    for own in values:
        missing = [most - size for most, size in zip(widest, own.shape[1:], strict=True)]
        sides = [(need, 0) if name in BY_TOKEN else (0, need) for need in reversed(missing)]
        flat = [side for pair in sides for side in pair]
        padded.append(functional.pad(own, flat, value=padding))
    return torch.cat(padded)


def _pad_token(processor: Any) -> int:
    """Return the token that the family's own processor pads with."""
    tokenizer = processor.tokenizer
    token = tokenizer.pad_token_id if tokenizer.pad_token_id is not None else tokenizer.eos_token_id
    return int(token)
