"""What an attachment could leave behind in a model."""

from __future__ import annotations

from typing import Any

from torch import nn


def traces(model: nn.Module) -> dict[str, Any]:
    """A fingerprint of every module: attributes, hooks, parameters, buffers, and its config."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        for key, value in vars(module).items():
            if key == "rope_deltas":  # the model's own note of its latest prompt
                continue
            found[f"{name}.{key}"] = _ids(value) if isinstance(value, dict) else id(value)
            if key == "config":
                found[f"{name}.config.*"] = _ids(vars(value))
                found[f"{name}.config.attention"] = value._attn_implementation
    for name, weight in (*model.named_parameters(), *model.named_buffers()):
        found[f"{name}, written"] = weight._version
    return found


def _ids(values: dict[Any, Any]) -> dict[Any, int]:
    return {key: id(value) for key, value in values.items()}
