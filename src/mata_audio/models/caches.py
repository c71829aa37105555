"""Reusing a cache: what it cannot give back, and what the model keeps beside it.

Qwen2.5-Omni stores, outside the cache, how far each prompt's positions are from its cache slots:
one row for each prompt. Code that continues from a cache must hand the model that
cache's rows.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from mata_audio.families import Located, follow


def row_state(located: Located) -> Tensor | None:
    """Return it, first dimension prompts; None where the family keeps nothing, or has not yet."""
    found = _place(located)
    return None if found is None else getattr(*found)


@contextmanager
def using_row_state(located: Located, state: Tensor | None) -> Iterator[None]:
    """Let the model have ``state`` inside the block; None changes nothing."""
    found = _place(located)
    if found is None or state is None:
        yield
        return
    owner, name = found
    before = getattr(owner, name)
    setattr(owner, name, state)
    try:
        yield
    finally:
        setattr(owner, name, before)


def repeated(state: Tensor | None, rows: int) -> Tensor | None:
    """Repeat each prompt's row, as ``Cache.batch_repeat_interleave`` repeats its keys."""
    return None if state is None else state.repeat_interleave(rows, dim=0)


def _place(located: Located) -> tuple[Any, str] | None:
    for path in located.family.row_state:
        owner_path, _, name = path.rpartition(".")
        owner = follow(located.listener, owner_path)
        if isinstance(getattr(owner, name, None), Tensor):
            return owner, name
    return None


def forgets(model: Any) -> bool:
    """Whether the cache that ``model`` makes lets go of something, so that it can't be cropped."""
    layers = DynamicCache(config=model.config).layers
    return any(type(layer) is not DynamicLayer for layer in layers)


def can_be_repeated(cache: Cache) -> bool:
    """Whether the rows of ``cache`` can be repeated; Transformers repeats no Mamba states."""
    return all(hasattr(layer, "batch_repeat_interleave") for layer in cache.layers)
