"""The intervention itself: attention of a few query rows, changed towards audio.

Time and memory are rows x keys for each head; no keys x keys matrix is ever made.
"""

from __future__ import annotations

from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mata_audio.steering.formulas import Formula


class RowAttention(NamedTuple):
    """Attention of some query rows.

    Args:
        output: shape ``(batch, heads, rows, value_dim)``.
        weights: attention after the softmax, shape ``(batch, heads, rows, keys)``.
        raw: scores before the intervention, same shape.
    """

    output: Tensor
    weights: Tensor
    raw: Tensor


def attend_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    gain: Tensor,
    formula: Formula,
    changed: Tensor | None = None,
    mask: Tensor | None,
    scaling: float,
    softcap: float | None = None,
    dropout: float = 0.0,
) -> RowAttention:
    """Attend from ``query`` with the raw score A, or the weights, changed by ``formula``.

    A = q . k * scaling, before mask and softmax (arXiv 2509.18816, section 2). It is computed in
    the dtype of the query, as Transformers' eager attention does; gain, mask and softmax work in
    float32 or wider. Differentiable in ``gain``.

    Args:
        query: the rows to attend from, shape ``(batch, heads, rows, head_dim)``.
        key: shape ``(batch, key_heads, keys, head_dim)``; heads is a multiple of key_heads.
        value: shape ``(batch, key_heads, keys, value_dim)``.
        gain: one for each key, 0 where it is not audio, shape ``(batch, heads, 1, keys)``.
        formula: from :mod:`mata_audio.steering.formulas`.
        changed: for a formula of weights, True at audio keys, whatever their gain, but nowhere in
            a sample that has no other key; shape ``(batch, 1, 1, keys)``.
        mask: bool (True is visible) or additive, broadcastable to (batch, heads, rows, keys).
        scaling: factor applied to q . k.
        softcap: for models that cap scores: a score becomes cap * tanh(score / cap). The
            intervention comes first, on the raw score.
        dropout: probability that a weight is dropped; 0 at inference.
    """
    batch, heads, rows, head_dim = query.shape
    key_heads, keys = key.shape[1:3]
    grouped = query.reshape(batch, key_heads, heads // key_heads * rows, head_dim)
    raw = torch.matmul(grouped * scaling, key.transpose(2, 3)).view(batch, heads, rows, keys)
    if formula.on_scores is not None:
        scores = formula.on_scores(raw, gain)
    else:
        scores = raw.to(torch.promote_types(raw.dtype, gain.dtype))
    if softcap is not None:
        capped = softcap * torch.tanh(scores / softcap)
        scores = capped.masked_fill(scores == float("-inf"), float("-inf"))  # tanh made it finite
    if mask is not None and mask.dtype == torch.bool:
        scores = torch.where(mask, scores, torch.finfo(scores.dtype).min)
    elif mask is not None:
        scores = scores + mask
    weights = scores.softmax(dim=-1)
    if formula.on_weights is not None:
        assert changed is not None
        weights = formula.on_weights(weights, gain, partial(_without, scores, changed, mask))
    weights = weights.to(query.dtype)
    if dropout:
        weights = functional.dropout(weights, dropout)
    mixed = torch.matmul(weights.view(batch, key_heads, -1, keys), value)
    return RowAttention(mixed.view(batch, heads, rows, -1), weights, raw)


def _without(scores: Tensor, changed: Tensor, mask: Tensor | None) -> Tensor:
    """Return the weights that rows would have if the changed keys did not exist.

    A row that sees no other key keeps its own weights.

    Args:
        scores: masked, shape ``(batch, heads, rows, keys)``.
        changed: as for :func:`attend_rows`.
        mask: as for :func:`attend_rows`.
    """
    if mask is not None:
        others = ~changed & (mask if mask.dtype == torch.bool else mask >= 0)
        changed = changed & others.any(dim=-1, keepdim=True)
    return scores.masked_fill(changed, float("-inf")).softmax(dim=-1)
