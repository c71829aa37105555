"""Reusing a cache: whether it can be cropped and repeated, and what the model keeps outside it.

Outside the cache, Qwen's Omni and VL models keep the offset of each prompt's positions to its
cache slots: the row state, one row for each prompt. Code that continues from a cache must give the
model the row state that belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache, DynamicCache, DynamicLayer

from mata_audio.families import Located, follow


def row_state(located: Located) -> Tensor | None:
    """Return the row state, one row for each prompt; None if the model has none, or none yet."""
    found = _attribute(located)
    return None if found is None else getattr(*found)


@contextmanager
def using_row_state(located: Located, state: Tensor | None) -> Iterator[None]:
    """Give the model the row state ``state`` inside the block; None changes nothing."""
    found = _attribute(located)
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
    """Repeat each prompt's row ``rows`` times, as ``Cache.batch_repeat_interleave`` its keys."""
    return None if state is None else state.repeat_interleave(rows, dim=0)


def _attribute(located: Located) -> tuple[Any, str] | None:
    """Return the module that keeps the row state, and the name of its attribute."""
    for path in located.family.row_state:
        owner_path, _, name = path.rpartition(".")
        owner = follow(located.listener, owner_path)
        if isinstance(getattr(owner, name, None), Tensor):
            return owner, name
    return None


def forgets(model: Any) -> bool:
    """Whether the cache that ``model`` makes drops keys or states, so that it can't be cropped."""
    layers = DynamicCache(config=model.config).layers
    return any(type(layer) is not DynamicLayer for layer in layers)


def can_be_repeated(cache: Cache) -> bool:
    """Whether the rows of ``cache`` can be repeated: Transformers cannot repeat Mamba states."""
    return all(hasattr(layer, "batch_repeat_interleave") for layer in cache.layers)
