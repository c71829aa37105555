"""Gradient checkpointing: a layer that runs again in the backward pass runs as in its own pass."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from torch import nn

_FUNCTION = "_gradient_checkpointing_func"  # Transformers' name, on each module that checkpoints


def can_checkpoint(model: nn.Module) -> list[nn.Module]:
    """Return the modules of ``model`` that can run again in the backward pass."""
    return [module for module in model.modules() if hasattr(module, "gradient_checkpointing")]


@contextmanager
def running_again(
    modules: Iterable[nn.Module], again: Callable[[Callable[[], Any]], Any]
) -> Iterator[None]:
    """Let ``again`` call what ``modules`` run in the backward pass.

    Args:
        modules: from :func:`can_checkpoint`; they run their first time inside the block.
        again: given a function without arguments, calls it and returns its result.
    """
    checkpointing = [
        module
        for module in modules
        if module.gradient_checkpointing and module.training and hasattr(module, _FUNCTION)
    ]
    before = [(module, vars(module).get(_FUNCTION)) for module in checkpointing]
    try:
        for module, _ in before:
            setattr(module, _FUNCTION, _remembering(getattr(module, _FUNCTION), again))
        yield
    finally:
        for module, function in before:
            if function is None:
                vars(module).pop(_FUNCTION, None)
            else:
                setattr(module, _FUNCTION, function)


def _remembering(
    checkpoint: Callable[..., Any], again: Callable[[Callable[[], Any]], Any]
) -> Callable[..., Any]:
    """Return ``checkpoint`` with every run of its function but the first left to ``again``."""

    def checkpointed(function: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        runs = 0

        def run(*own: Any, **more: Any) -> Any:
            nonlocal runs
            runs += 1
            if runs == 1:
                return function(*own, **more)
            return again(lambda: function(*own, **more))

        return checkpoint(run, *args, **kwargs)

    return checkpointed
