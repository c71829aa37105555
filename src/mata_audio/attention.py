"""The intervention itself: attention of a few query rows with changed audio scores.

Cost and memory are rows x keys for each head; no keys x keys matrix is ever made.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mata_audio.formulas import Formula


class RowAttention(NamedTuple):
    """Attention of some query rows.

    Args:
        output: shape ``(batch, rows, heads, head_dim)``, as Transformers' functions return it.
        weights: after the softmax, shape ``(batch, heads, rows, keys)``.
        audio_scores: raw scores of the leading ``audio.shape[1]`` keys, before the intervention,
            shape ``(batch, heads, rows, audio keys)``, at least float32.
    """

    output: Tensor
    weights: Tensor
    audio_scores: Tensor


def attend_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    audio: Tensor,
    gain: Tensor,
    formula: Formula,
    mask: Tensor | None,
    scaling: float,
    dropout: float = 0.0,
) -> RowAttention:
    """Attend from ``query`` with ``A + formula(A, gain)`` in place of A on audio keys.

    The raw score is A = q . k * scaling, before mask and softmax (arXiv 2509.18816, section 2). It is
    computed in the dtype of the query, as Transformers' eager attention does; gain, mask and softmax
    work in float32 or wider. Differentiable in ``gain``.

    Args:
        query: rows, shape ``(batch, heads, rows, head_dim)``.
        key: shape ``(batch, key_heads, keys, head_dim)``; heads is a multiple of key_heads.
        value: shape ``(batch, key_heads, keys, value_dim)``.
        audio: True at audio keys, for the leading keys, shape ``(batch, audio keys)``.
        gain: shape ``(batch or 1, heads)``.
        formula: one of :data:`mata_audio.formulas.FORMULAS`.
        mask: bool (True is visible) or additive, broadcastable to (batch, heads, rows, keys).
        scaling: factor of q . k.
        dropout: of the weights; 0 at inference.
    """
    batch, heads, rows, head_dim = query.shape
    key_heads, keys = key.shape[1:3]
    grouped = query.reshape(batch, key_heads, heads // key_heads * rows, head_dim)
    raw = torch.matmul(grouped, key.transpose(2, 3)) * scaling
    wide = torch.promote_types(raw.dtype, torch.float32)
    scores = raw.view(batch, heads, rows, keys).to(wide)

    audio_scores = scores[..., : audio.shape[1]]
    change = formula(audio_scores, gain.to(wide)[:, :, None, None])
    change = torch.where(audio[:, None, None], change, 0.0)
    scores = scores + functional.pad(change, (0, keys - audio.shape[1]))

    if mask is not None and mask.dtype == torch.bool:
        scores = scores.masked_fill(~mask, torch.finfo(wide).min)
    elif mask is not None:
        scores = scores + mask
    weights = scores.softmax(dim=-1).to(query.dtype)
    if dropout:
        weights = functional.dropout(weights, dropout)
    mixed = torch.matmul(weights.view(batch, key_heads, -1, keys), value)
    output = mixed.view(batch, heads, rows, -1).transpose(1, 2)
    return RowAttention(output, weights, audio_scores)
