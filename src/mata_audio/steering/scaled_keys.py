"""Decoding at no cost: scale the cached audio keys once and let the stock kernels do the rest.

``multiply`` is linear in the key, (1 + a)(q . k) = q . ((1 + a) k), and every row after the prompt
is active. So once the prompt is in the cache, multiplying its audio keys is the whole intervention.
The original keys are put back when generation ends, so a returned cache is unchanged.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from transformers.cache_utils import DynamicLayer

# Flags of attention modules (Gemma 3n and 4) that give their keys to other layers or use theirs.
_SHARING = ("store_full_length_kv", "is_kv_shared_layer")


def shares_keys(module: nn.Module) -> bool:
    """Whether other layers attend to the keys of ``module``: scaled keys would change those too."""
    return any(getattr(module, flag, False) for flag in _SHARING)


def key_heads(module: Any, heads: int) -> int:
    """Return the key heads of an attention module with ``heads`` query heads.

    The module is asked first: in Gemma 4, some layers have fewer than the config says.
    """
    groups = getattr(module, "num_key_value_groups", None)
    if groups is not None:
        return heads // int(groups)
    return getattr(module.config, "num_key_value_heads", None) or heads


def shared_by_groups(gains: Tensor, key_heads: int) -> bool:
    """Whether all query heads of each key head have one gain; ``gains`` is ``(samples, heads)``."""
    grouped = gains.view(gains.shape[0], key_heads, -1)
    return torch.equal(grouped, grouped[..., :1].expand_as(grouped))


class ScaledKeys:
    """The layers of one cache whose audio keys are multiplied, and their original keys."""

    def __init__(self, cache: Any) -> None:
        self._cache = cache
        self._originals: dict[int, Tensor] = {}

    def __contains__(self, layer: int) -> bool:
        return layer in self._originals

    def holds(self, cache: Any) -> bool:
        """Whether this is the cache whose keys are scaled."""
        return cache is self._cache

    def scale(self, layer: int, key: Tensor, gain: Tensor) -> Tensor | None:
        """Multiply the keys of ``layer`` by 1 + gain, if the cache stores ``key`` itself.

        Caches that return copies (static, quantised, offloaded) are left unchanged, and so are keys
        that would overflow in float16; their rows are still rewritten one by one.

        Args:
            layer: index of the decoder layer.
            key: the keys that the layer attends to, shape ``(batch, key_heads, keys, head_dim)``.
            gain: shape ``(batch or 1, heads or 1, 1, keys)``, the same for all heads of a key head.

        Returns:
            The keys that the cache has now; None if they were left unchanged.
        """
        stored = self._cache.layers[layer]
        if type(stored) is not DynamicLayer or stored.keys is not key or self._cache.offloading:
            return None
        groups = max(1, gain.shape[1] // key.shape[1])
        of_keys = gain[:, ::groups].transpose(2, 3)
        # Half-precision keys are rounded once, after the product with the float32 gain.
        scaled = torch.addcmul(key, key, of_keys, out=torch.empty_like(key))
        if key.dtype == torch.float16 and not scaled.isfinite().all():
            return None
        stored.keys = scaled
        self._originals[layer] = key
        return scaled

    def restore(self) -> None:
        """Put the original keys back, also after the cache was cropped or its beams reordered."""
        for layer, original in self._originals.items():
            keys = self._cache.layers[layer].keys
            kept = min(keys.shape[2], original.shape[2])
            keys[:, :, :kept] = original[:, :, :kept]
        self._originals.clear()
