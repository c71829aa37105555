"""Which keys a query row may see, from every form of mask that Transformers hands to attention.

The forms: None (causal by shape), a bool or additive 4-D tensor (SDPA, eager), a 2-D padding mask
(flash) and a ``BlockMask`` (flex).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor


def rows_mask(
    mask: Any,
    index: Tensor | None,
    *,
    batch: int,
    queries: int,
    keys: int,
    device: torch.device,
    causal: bool = True,
    window: int | None = None,
) -> Tensor | None:
    """Return the mask of chosen rows, without building one for the others.

    Args:
        mask: what the model's mask builder gave the layer.
        index: chosen rows of the pass, shape ``(batch, rows)``; None for all.
        batch: samples in the pass.
        queries: rows in the pass.
        keys: keys that the layer attends to.
        device: of the result.
        causal: whether a missing mask means causal attention.
        window: sliding window of the layer, in keys, where the mask does not hold it.

    Returns:
        Bool (True is visible) or additive, shape ``(batch or 1, heads or 1, rows, keys)``; None when
        every chosen row sees every key.
    """
    if isinstance(mask, Tensor) and mask.dim() == 4:
        return _pick(mask[..., :keys], index, batch)
    if index is None:
        index = torch.arange(queries, device=device)[None]
    if hasattr(mask, "mask_mod"):
        return _block_mask(mask, index, batch, keys, device)
    if mask is None and window is None and (queries == 1 or not causal):
        return None
    positions = (keys - queries + index)[:, None, :, None]
    slots = torch.arange(keys, device=device)
    visible = slots <= positions if causal else torch.ones_like(slots <= positions)
    if window is not None:
        visible = visible & (slots > positions - window)
    if mask is not None:
        visible = visible & mask[:, None, None, -keys:].bool()
    return visible


def _pick(mask: Tensor, index: Tensor | None, batch: int) -> Tensor:
    """Take rows ``index`` (batch, rows) of a (batch or 1, heads or 1, queries, keys) mask."""
    if index is None:
        return mask
    samples = torch.arange(batch, device=mask.device)[:, None]
    return mask.expand(batch, -1, -1, -1)[samples, :, index.to(mask.device)].transpose(1, 2)


def _block_mask(mask: Any, index: Tensor, batch: int, keys: int, device: torch.device) -> Tensor:
    """Evaluate a flex ``BlockMask`` at the chosen rows alone."""
    samples = torch.arange(batch, device=device)[:, None, None, None]
    heads = torch.zeros(1, 1, 1, 1, dtype=torch.long, device=device)
    rows = index.expand(batch, -1)[:, None, :, None]
    visible: Tensor = mask.mask_mod(samples, heads, rows, torch.arange(keys, device=device))
    return visible.expand(batch, 1, -1, keys)
