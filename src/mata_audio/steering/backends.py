"""Transformers' attention functions: the one name we add, and how to call the one we wrap.

A decoder layer looks its attention function up by ``self.config._attn_implementation``, and
``self.config`` is an attribute of each attention module. So a layer is rerouted by giving that one
module a shallow copy of its config with our name in it. Mask building, other layers and other
models read the unchanged config, and putting the attribute back undoes everything.
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
# These read nothing from module.config; the others (flash) look up their kernel by its name there.
_CONFIG_FREE = ("sdpa", "eager", "flex_attention")

AttentionOutput = tuple[Tensor, Tensor | None]


def rerouted_config(config: Any, layer: Callable[..., AttentionOutput]) -> Any:
    """Return a shallow copy of ``config`` that sends its attention module's calls to ``layer``."""
    rerouted = copy.copy(config)
    rerouted._attn_implementation_internal = NAME
    setattr(rerouted, _LAYER, layer)
    return rerouted


def call_original(module: nn.Module, original: Any, *args: Any, **kwargs: Any) -> AttentionOutput:
    """ForwardPass the attention function that ``module`` would use with its ``original`` config.

    Args:
        module: the attention module.
        original: its own config, which names the backend.
        args: query, key, value and mask.
        kwargs: as given by the module.
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
    """``eager`` is not in the registry: it is a function of the model's own file."""
    return sys.modules[type(module).__module__].eager_attention_forward


def _dispatch(
    module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
) -> AttentionOutput:
    layer = getattr(module.config, _LAYER, None)
    if layer is None:
        raise UnsupportedModelError(
            f"the attention name {NAME!r} is for MATA's own use: "
            "steer a model with `with MATA(...)(model):`"
        )
    return layer(module, query, key, value, mask, **kwargs)


AttentionInterface.register(NAME, _dispatch)
