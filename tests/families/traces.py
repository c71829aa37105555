"""What an attachment could leave behind in a model."""

from __future__ import annotations

from typing import Any

from torch import nn


def traces(model: nn.Module) -> list[Any]:
    """A fingerprint: weights, config objects, hooks, and the attributes that modules have."""
    found: list[Any] = [(name, value._version, id(value)) for name, value in _weights(model)]
    for name, module in model.named_modules():
        config = vars(module).get("config")
        found.append((name, id(config), getattr(config, "_attn_implementation", None)))
        found.append((len(module._forward_hooks), len(module._forward_pre_hooks)))
        # What a model keeps of its last prompt by itself.
        found.append(sorted(set(vars(module)) - {"rope_deltas"}))
        found.append(vars(module).get("generate"))
    return found


def _weights(model: nn.Module) -> list[tuple[str, Any]]:
    return [*model.named_parameters(), *model.named_buffers()]
