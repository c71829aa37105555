"""Free decoding: scale the cached audio keys once, and let the stock kernels do the rest.

``multiply`` is linear in the key, (1 + a)(q . k) = q . ((1 + a) k), and every row after the prompt is
active. So once the prompt is in the cache, multiplying its audio keys is the whole intervention.
The original keys are kept and put back when generation ends, so a returned cache is unchanged.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer


def key_factors(gains: Tensor, key_heads: int) -> Tensor | None:
    """Return the factor of each key head, or None where its query heads differ in gain.

    Args:
        gains: of one layer, shape ``(batch or 1, heads)``.
        key_heads: key/value heads of the layer.

    Returns:
        Shape ``(batch or 1, key_heads)``.
    """
    grouped = gains.view(gains.shape[0], key_heads, -1)
    if not torch.equal(grouped, grouped[..., :1].expand_as(grouped)):
        return None
    return 1 + grouped[..., 0]


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

    def scale(self, layer: int, key: Tensor, audio: Tensor, factors: Tensor) -> None:
        """Multiply the audio keys of ``layer`` in place, where the cache stores ``key`` itself.

        Caches that hand out copies (static, quantised, offloaded) are left alone: their rows go on
        being rewritten one by one.

        Args:
            layer: index of the decoder layer.
            key: what the layer attends to, shape ``(batch, key_heads, keys, head_dim)``.
            audio: True at audio slots, shape ``(batch, width)``.
            factors: shape ``(batch or 1, key_heads)``.
        """
        stored = self._cache.layers[layer]
        if type(stored) is not DynamicLayer or stored.keys is not key or self._cache.offloading:
            return
        prompt = key[:, :, : audio.shape[1]]
        self._originals[layer] = prompt.clone()
        factor = torch.where(audio[:, None], factors[:, :, None], 1.0)
        prompt.mul_(factor[..., None].to(key.dtype))

    def restore(self) -> None:
        """Put the original keys back, wherever cropping and beam reordering left the cache."""
        for layer, original in self._originals.items():
            keys = self._cache.layers[layer].keys
            kept = min(keys.shape[2], original.shape[2])
            keys[:, :, :kept] = original[:, :, :kept]
        self._originals.clear()
