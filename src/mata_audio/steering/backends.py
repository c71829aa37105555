"""Transformers' attention functions: which are known, how to reroute a layer and call its own.

An attention module looks up its function by ``self.config._attn_implementation``. So one layer
is rerouted by giving its module a shallow copy of the config with our name in it. Mask building,
other layers and other models read the unchanged config, and restoring the attribute undoes
everything.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Callable
from typing import Any

from torch import Tensor, nn
from transformers import AttentionInterface
from transformers.modeling_utils import ALL_ATTENTION_FUNCTIONS

from mata_audio.errors import UnsupportedModelError

NAME = "mata_audio"
_LAYER = "_mata_audio_layer"
# These read nothing from module.config; the others (flash) find their kernel by the name in it.
_CONFIG_FREE = ("sdpa", "eager", "flex_attention")

AttentionOutput = tuple[Tensor, Tensor | None]


_registered: set[str] = set()


def register_attention(name: str) -> None:
    """Vouch for an attention function that you registered with Transformers.

    The active rows are computed again, as softmax(scaling * query @ key + mask) @ value. So the
    function must compute just that, with grouped heads, and with ``sliding_window`` and ``softcap``
    if the model has them. One that does something else would be replaced in these rows.

    Args:
        name: the name it has in ``transformers.AttentionInterface``.
    """
    _registered.add(name)


def check_attention(module: nn.Module, config: Any) -> None:
    """Check that the mathematics of a module's attention function are known.

    Args:
        module: the attention module.
        config: its unchanged config, which names the function.

    Raises:
        UnsupportedModelError: the function is neither Transformers' own nor the model's own, and
            nobody vouched for it.
    """
    name = config._attn_implementation
    function = _function(module, name)
    origin = getattr(getattr(function, "func", function), "__module__", None) or ""
    own = origin == type(module).__module__ or origin.partition(".")[0] == "transformers"
    if not own and name not in _registered:
        raise UnsupportedModelError(
            f"the attention function {name!r} (of {origin or 'an unknown module'}) is not "
            "Transformers' own, so what it computes is unknown. If it is plain softmax attention, "
            f"say so once with mata_audio.register_attention({name!r}); otherwise choose another, "
            "such as model.set_attn_implementation('sdpa')"
        )


def reroute(module: Any, layer: Callable[..., AttentionOutput]) -> Callable[[], None]:
    """Send the attention calls of ``module`` to ``layer``; return what takes that back."""
    original = module.config
    rerouted = copy.copy(original)
    rerouted._attn_implementation_internal = NAME
    setattr(module, _LAYER, layer)
    module.config = rerouted

    def restore() -> None:
        module.config = original
        delattr(module, _LAYER)

    return restore


def call_original(module: nn.Module, original: Any, *args: Any, **kwargs: Any) -> AttentionOutput:
    """Call the attention function that ``module`` would use with its ``original`` config.

    Args:
        module: the attention module.
        original: the module's unchanged config, which names the backend.
        args: query, key, value and mask.
        kwargs: what else the module passes.
    """
    name = original._attn_implementation
    function = _function(module, name)
    if name in _CONFIG_FREE:
        return function(module, *args, **kwargs)
    rerouted = module.config
    module.config = original
    try:
        return function(module, *args, **kwargs)
    finally:
        module.config = rerouted


def _function(module: nn.Module, name: str) -> Callable[..., AttentionOutput]:
    return ALL_ATTENTION_FUNCTIONS.get_interface(name, _eager(module))


def _eager(module: nn.Module) -> Callable[..., AttentionOutput]:
    """Return the eager function, which is not registered: it is in the model's own file."""
    return sys.modules[type(module).__module__].eager_attention_forward


def _dispatch(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
) -> AttentionOutput:
    layer = getattr(module, _LAYER, None)
    if layer is None:
        raise UnsupportedModelError(
            f"the attention backend {NAME!r} cannot be chosen directly: "
            "steer a model with `with MATA(...)(model):`"
        )
    return layer(module, query, key, value, mask, **kwargs)


AttentionInterface.register(NAME, _dispatch)
