"""Caches that forget: Mamba's states and sliding windows cannot go back a token."""

from __future__ import annotations

from typing import Any

from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


def forgets(model: Any) -> bool:
    """Whether the cache that ``model`` makes lets go of something, so that it can't be cropped."""
    layers = DynamicCache(config=model.config).layers
    return any(type(layer) is not DynamicLayer for layer in layers)


def can_be_repeated(cache: Cache) -> bool:
    """Whether the rows of ``cache`` can be repeated; Transformers repeats no Mamba states."""
    return all(hasattr(layer, "batch_repeat_interleave") for layer in cache.layers)
