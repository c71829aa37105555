"""The model inside what users wrap it in: ``torch.compile``, PEFT and pipelines."""

from __future__ import annotations

from typing import Any

from torch import nn

from mata_audio.errors import UnsupportedModelError


def unwrapped(model: Any) -> nn.Module:
    """Return the model of Transformers inside ``model``.

    Adapters that change weights (LoRA and its kin) stay in the layers that are steered.

    Args:
        model: the model itself, compiled, a ``PeftModel`` or a ``transformers.pipeline``.

    Raises:
        UnsupportedModelError: not a model, or a PEFT method that puts tokens of its own before the
            prompt.
    """
    found = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(found, nn.Module):
        raise UnsupportedModelError(
            f"a {type(model).__name__} is no model: give the torch.nn.Module that from_pretrained "
            "returned, or a transformers.pipeline"
        )
    outer: Any = found
    while True:
        inner = getattr(outer, "_orig_mod", None)  # torch.compile wraps the module
        if inner is None and hasattr(outer, "get_base_model"):
            _refuse_prompt_learning(outer)
            inner = outer.get_base_model()
        if inner is None or inner is outer:
            innermost: nn.Module = outer
            return innermost
        outer = inner


def _refuse_prompt_learning(model: Any) -> None:
    config: Any = getattr(model, "active_peft_config", None)
    if getattr(config, "is_prompt_learning", False):
        raise UnsupportedModelError(
            f"{type(model).__name__} puts learned tokens before the prompt ({config.peft_type}), "
            "so the places of its audio tokens are not those of input_ids. LoRA and other adapters "
            "that change weights can be steered"
        )
