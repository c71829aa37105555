"""What a model keeps of its latest prompts beside the cache: one row for each of them.

Qwen2.5-Omni keeps how far each prompt's positions are from its slots. Whoever goes on from a cache
must see to it that the model has the rows that belong to this cache.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from torch import Tensor

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
