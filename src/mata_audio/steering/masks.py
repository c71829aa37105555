"""Which keys the active rows may see, from any mask that Transformers passes to attention.

A mask is None (causal by position), a bool or additive 4-D tensor (SDPA, eager), a 2-D padding mask
(flash) or a ``BlockMask`` (flex).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mata_audio.steering.active_rows import Rows, Span


def rows_mask(
    mask: Any,
    rows: Rows,
    *,
    batch: int,
    keys: int,
    first: int,
    device: torch.device,
    causal: bool = True,
    window: int | None = None,
) -> Tensor | None:
    """Return the mask of chosen rows, without building one for the others.

    Args:
        mask: what the model passed to the layer.
        rows: the chosen rows of the pass.
        batch: samples in the pass.
        keys: keys that the layer attends to.
        first: place of the pass's first row among these keys.
        device: device of the result.
        causal: whether a missing mask means causal attention.
        window: sliding window of the layer, in keys, if the mask does not include it.

    Returns:
        Bool (True is visible) or additive, shape ``(batch or 1, heads or 1, rows, keys)``; None
        when every chosen row sees every key.
    """
    if isinstance(mask, Tensor) and mask.dim() == 4:
        return rows.take(mask[..., :keys])
    if mask is None and window is None and (not causal or _is_last(rows, first, keys)):
        return None
    places = rows.places(device)
    if hasattr(mask, "mask_mod"):
        return _block_mask(mask, places, batch, keys, device)
    positions = (first + places)[:, None, :, None]
    slots = torch.arange(keys, device=device)
    visible = slots <= positions if causal else torch.ones_like(slots <= positions)
    if window is not None:
        visible = visible & (slots > positions - window)
    if mask is not None:
        visible = visible & mask[:, None, None, -keys:].bool()
    return visible


def _is_last(rows: Rows, first: int, keys: int) -> bool:
    """Whether the only chosen row is that of the last key."""
    return isinstance(rows, Span) and rows.stop - rows.start == 1 and first + rows.stop == keys


def _block_mask(mask: Any, places: Tensor, batch: int, keys: int, device: torch.device) -> Tensor:
    """Evaluate a flex ``BlockMask`` at only the rows ``places``, shape ``(batch or 1, rows)``."""
    samples = torch.arange(batch, device=device)[:, None, None, None]
    heads = torch.zeros(1, 1, 1, 1, dtype=torch.long, device=device)
    rows = places.expand(batch, -1)[:, None, :, None]
    visible: Tensor = mask.mask_mod(samples, heads, rows, torch.arange(keys, device=device))
    return visible.expand(batch, 1, -1, keys)
