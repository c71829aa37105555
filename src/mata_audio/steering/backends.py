"""Transformers' attention functions: how to reroute a layer, and how to call the one it had.

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


def rerouted_config(config: Any, layer: Callable[..., AttentionOutput]) -> Any:
    """Return a shallow copy of ``config`` that sends its attention module's calls to ``layer``."""
    rerouted = copy.copy(config)
    rerouted._attn_implementation_internal = NAME
    setattr(rerouted, _LAYER, layer)
    return rerouted


def call_original(module: nn.Module, original: Any, *args: Any, **kwargs: Any) -> AttentionOutput:
    """Call the attention function that ``module`` would use with its ``original`` config.

    Args:
        module: the attention module.
        original: the module's unchanged config, which names the backend.
        args: query, key, value and mask.
        kwargs: what else the module passes.
    """
    name = original._attn_implementation
    function = ALL_ATTENTION_FUNCTIONS.get_interface(name, _eager(module))
    if name in _CONFIG_FREE:
        return function(module, *args, **kwargs)
    rerouted = module.config
    module.config = original
    try:
        return function(module, *args, **kwargs)
    finally:
        module.config = rerouted


def _eager(module: nn.Module) -> Callable[..., AttentionOutput]:
    """Return the eager function, which is not registered: it is in the model's own file."""
    return sys.modules[type(module).__module__].eager_attention_forward


def _dispatch(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
) -> AttentionOutput:
    layer = getattr(module.config, _LAYER, None)
    if layer is None:
        raise UnsupportedModelError(
            f"the attention backend {NAME!r} cannot be chosen directly: "
            "steer a model with `with MATA(...)(model):`"
        )
    return layer(module, query, key, value, mask, **kwargs)


AttentionInterface.register(NAME, _dispatch)
