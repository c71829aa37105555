"""What a model keeps of its latest prompt outside the cache: the row state.

Qwen's Omni and VL models keep the offset of each prompt's positions to its cache slots, one row for
each prompt. Code that continues from a cache must give the model the row state that belongs to it.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

from mata_audio.families.family import Located
from mata_audio.families.locating import follow


def row_state(located: Located) -> Tensor | None:
    """Return the row state, one row for each prompt; None if the model has none, or none yet."""
    found = _attribute(located)
    return None if found is None else getattr(*found)


def put_row_state(located: Located, state: Tensor | None) -> None:
    """Give the model the row state ``state``; None changes nothing."""
    found = _attribute(located)
    if found is not None and state is not None:
        setattr(*found, state)


@contextmanager
def using_row_state(located: Located, state: Tensor | None) -> Iterator[None]:
    """Give the model the row state ``state`` inside the block; None changes nothing."""
    before = row_state(located)
    put_row_state(located, state)
    try:
        yield
    finally:
        if state is not None:
            put_row_state(located, before)


def _attribute(located: Located) -> tuple[Any, str] | None:
    """Return the module that keeps the row state, and the name of its attribute."""
    for path in located.family.row_state:
        owner_path, _, name = path.rpartition(".")
        owner = follow(located.listener, owner_path)
        if isinstance(getattr(owner, name, None), Tensor):
            return owner, name
    return None
