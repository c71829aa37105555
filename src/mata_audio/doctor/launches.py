"""Counting operations that launch a kernel: what a steered model costs, without a clock.

An operation of PyTorch launches a kernel on a GPU unless it only looks at memory in another way.
The count is the same on every device and in every run; a backend's fused attention is one.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode

from mata_audio.methods.method import Method

# Operations that return a look at their input, or memory that nothing is written to yet.
_SILENT = {
    "empty",
    "empty_like",
    "empty_strided",
    "new_empty",
    "new_empty_strided",
    "lift_fresh",
    "promote_types",
    "_unsafe_view",
}


class Launches(TorchDispatchMode):
    """Counts, as long as it is the context, the operations that would launch a kernel.

    Attributes:
        by_name: how often each was dispatched.
    """

    def __init__(self) -> None:
        super().__init__()
        self.by_name: Counter[str] = Counter()

    def __torch_dispatch__(
        self, func: Any, types: Any, args: Any = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Count ``func`` and run it."""
        name = func._schema.name.removeprefix("aten::")
        if name not in _SILENT and not _is_view(func):
            self.by_name[name] += 1
        return func(*args, **(kwargs or {}))

    @property
    def total(self) -> int:
        """All of them."""
        return self.by_name.total()


def _is_view(func: Any) -> bool:
    """Whether all that an operation returns shares its input's memory, and is not written to."""
    returns = func._schema.returns
    return bool(returns) and all(
        own.alias_info is not None and not own.alias_info.is_write for own in returns
    )


@dataclass(frozen=True)
class Added:
    """Launches that a method adds to those of the unmodified model.

    Args:
        layer: in prefill, for each steered layer.
        generate: in prefill, however many layers are steered.
        token_layer: for each further token and steered layer.
        token: for each further token, however many layers are steered.
    """

    layer: float
    generate: float
    token_layer: float
    token: float


def added(model: Any, inputs: Mapping[str, Tensor], on: Callable[[Sequence[int]], Method]) -> Added:
    """Count what a method adds, by steering one and two layers for one and three new tokens.

    Args:
        model: a model whose first two decoder layers have attention.
        inputs: its inputs for ``generate``.
        on: returns the method, on the given layers.
    """

    def launches(layers: int, tokens: int) -> int:
        steered = on(range(layers))(model) if layers else nullcontext()
        length = {"min_new_tokens": tokens, "max_new_tokens": tokens, "do_sample": False}
        with torch.no_grad(), steered:
            model.generate(**inputs, **length)  # what is made once, in the first call
            with Launches() as counted:
                model.generate(**inputs, **length)
        return counted.total

    first = [launches(layers, 1) for layers in range(3)]
    later = [(launches(layers, 3) - first[layers]) / 2 for layers in range(3)]
    layer, token_layer = first[2] - first[1], later[2] - later[1]
    return Added(layer, first[1] - first[0] - layer, token_layer, later[1] - later[0] - token_layer)
