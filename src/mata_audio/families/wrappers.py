"""Finding the model inside its wrappers: ``torch.compile``, PEFT and pipelines."""

from __future__ import annotations

from typing import Any

from torch import nn

from mata_audio.errors import UnsupportedModelError


def unwrapped(model: Any) -> nn.Module:
    """Return the Transformers model inside ``model``.

    Adapters that change weights (such as LoRA) stay in the steered layers.

    Args:
        model: the model itself, compiled, a ``PeftModel`` or a ``transformers.pipeline``.

    Raises:
        UnsupportedModelError: ``model`` is not a model, or a PEFT method puts learned tokens before
            the prompt.
    """
    module = model if isinstance(model, nn.Module) else getattr(model, "model", None)
    if not isinstance(module, nn.Module):
        raise UnsupportedModelError(
            f"a {type(model).__name__} is not a model: give the torch.nn.Module that "
            "from_pretrained returned, or a transformers.pipeline"
        )
    outer: Any = module
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
            "so its audio tokens are not where input_ids has them, and it cannot be steered. LoRA "
            "and other adapters that change weights can"
        )
