"""Reusing a cache: whether it and the row state can be cropped and repeated."""

from __future__ import annotations

from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer


def repeated(state: Tensor | None, rows: int) -> Tensor | None:
    """Repeat each prompt's row ``rows`` times, as ``Cache.batch_repeat_interleave`` its keys."""
    return None if state is None else state.repeat_interleave(rows, dim=0)


def forgets(model: Any) -> bool:
    """Whether the cache that ``model`` makes drops keys or states, so that it can't be cropped."""
    layers = DynamicCache(config=model.config).layers
    return any(type(layer) is not DynamicLayer for layer in layers)


def can_be_repeated(cache: Cache) -> bool:
    """Whether the rows of ``cache`` can be repeated: Transformers cannot repeat Mamba states."""
    return all(hasattr(layer, "batch_repeat_interleave") for layer in cache.layers)
