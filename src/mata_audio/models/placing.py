"""Putting model inputs where the model is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor


def placed(prompts: Sequence[dict[str, Tensor]], model: Any) -> dict[str, Tensor]:
    """Return prompts of one length as one batch, on the model's device and in its dtype."""
    batch = {name: torch.cat([prompt[name] for prompt in prompts]) for name in prompts[0]}
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in batch.items()
    }
