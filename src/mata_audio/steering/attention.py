"""The intervention itself: attention of a few query rows, changed towards audio.

Time and memory are rows x keys for each head; no keys x keys matrix is ever made.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mata_audio.steering.formulas import WITHOUT, Formula


class RowChange(NamedTuple):
    """One change of the attention of some query rows.

    Args:
        formula: from :mod:`mata_audio.steering.formulas`.
        applied: what the formula is given, from :meth:`Formula.applied`: shape
            ``(batch, heads, 1, keys)``, or ``(batch, heads, 1, 1)`` for one of the mass. 1 sample
            or head may stand for all.
        keys: True at the changed keys, shape ``(batch, 1, 1, keys)``.
    """

    formula: Formula
    applied: Tensor
    keys: Tensor

    @property
    def steered(self) -> Tensor:
        """True in heads in which it changes something, shape ``(batch, heads, 1, 1)``."""
        nothing = 0 if self.formula.on_mass is None else 1
        return (self.applied != nothing).any(dim=-1, keepdim=True)


class RowAttention(NamedTuple):
    """Attention of some query rows.

    Args:
        output: shape ``(batch, heads, rows, value_dim)``.
        weights: attention after the softmax, shape ``(batch, heads, rows, keys)``; None if a fused
            kernel computed the output.
        raw: scores before the intervention, same shape.
    """

    output: Tensor
    weights: Tensor | None
    raw: Tensor


def attend_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    changes: Sequence[RowChange],
    masks: Tensor | None,
    scaling: float,
    softcap: float | None = None,
    dropout: float = 0.0,
) -> RowAttention:
    """Attend from ``query`` with the raw score A, or the weights, changed.

    A = q . k * scaling, before mask and softmax (arXiv 2509.18816, section 2). It is computed in
    the dtype of the query, as Transformers' eager attention does; gain, mask and softmax work in
    float32 or wider. Differentiable in the gains.

    Args:
        query: the rows to attend from, shape ``(batch, heads, rows, head_dim)``.
        key: shape ``(batch, key_heads, keys, head_dim)``; heads is a multiple of key_heads.
        value: shape ``(batch, key_heads, keys, value_dim)``.
        changes: what is changed; see :func:`changed_weights`.
        masks: from :func:`masks_of` the same changes.
        scaling: factor applied to q . k.
        softcap: for models that cap scores: a score becomes cap * tanh(score / cap). The
            intervention comes first, on the raw score.
        dropout: probability that a weight is dropped; 0 at inference.
    """
    raw = raw_scores(query, key, scaling)
    weights = changed_weights(raw, changes, masks, softcap).to(query.dtype)
    if dropout:
        weights = functional.dropout(weights, dropout)
    batch, heads, rows, keys = raw.shape
    mixed = torch.matmul(weights.view(batch, key.shape[1], -1, keys), value)
    return RowAttention(mixed.view(batch, heads, rows, -1), weights, raw)


def attend_row_to_scaled_keys(
    query: Tensor, key: Tensor, scaled: Tensor, value: Tensor, mask: Tensor | None, scaling: float
) -> RowAttention:
    """Do as :func:`attend_rows` does for one row, by a fused kernel over keys times 1 + gain.

    All query heads of a key head see the same keys, so they are rows of one attention.

    Args:
        query: shape ``(batch, heads, 1, head_dim)``.
        key: as there.
        scaled: the keys, multiplied.
        value: as there.
        mask: additive, in the dtype of the query, shape ``(batch or 1, 1, 1, keys)``.
        scaling: as there.
    """
    batch, heads, _, head_dim = query.shape
    grouped = query.reshape(batch, key.shape[1], -1, head_dim)
    output = functional.scaled_dot_product_attention(
        grouped, scaled, value, attn_mask=mask, scale=scaling
    )
    return RowAttention(output.reshape(batch, heads, 1, -1), None, raw_scores(query, key, scaling))


def raw_scores(query: Tensor, key: Tensor, scaling: float) -> Tensor:
    """Return q . k * scaling, shape ``(batch, heads, rows, keys)``, by one kernel."""
    batch, heads, rows, head_dim = query.shape
    grouped = query.reshape(batch * key.shape[1], -1, head_dim)
    across = key.transpose(2, 3).flatten(0, 1)
    product = torch.baddbmm(query.new_empty(1, 1, 1), grouped, across, beta=0, alpha=scaling)
    return product.view(batch, heads, rows, -1)


def changed_weights(
    raw: Tensor, changes: Sequence[RowChange], masks: Tensor | None, softcap: float | None
) -> Tensor:
    """Return the weights of raw scores, changed; in float32 or wider.

    Changes of scores follow each other, in their order. Changes of weights and of the mass all
    start from the same weights, and what each adds is added up.

    Args:
        raw: shape ``(..., heads, rows, keys)``.
        changes: none for the weights of the unmodified model.
        masks: from :func:`masks_of` these changes, shape ``(masks, ..., rows, keys)``.
        softcap: as for :func:`attend_rows`.
    """
    scores = raw
    for change in changes:
        if change.formula.on_scores is not None:
            scores = change.formula.on_scores(scores, change.applied)
    wide = torch.promote_types(scores.dtype, torch.float32)
    if softcap is not None:
        capped = softcap * torch.tanh(scores.to(wide) / softcap)
        scores = capped.masked_fill(scores == float("-inf"), float("-inf"))  # tanh made it finite
    scores = scores[None] if masks is None else scores + masks
    weights, *others = scores.softmax(dim=-1, dtype=wide)
    found = []
    for formula, applied, _ in changes:
        if formula.on_weights is not None:
            found.append(formula.on_weights(weights, applied))
        elif formula.on_mass is not None:
            compared = [others.pop(0) for _ in formula.compared]
            found.append(formula.on_mass(weights, applied, *compared))
    if len(found) < 2:
        return found[0] if found else weights
    return weights + sum(new - weights for new in found)


def masks_of(changes: Sequence[RowChange], mask: Tensor | None) -> Tensor | None:
    """Return an additive mask for each softmax that changes need, shape ``(masks, ..., keys)``.

    The first is that of the rows; the others hide keys for formulas that compare with what rows
    would attend to. A row that would see nothing keeps all of its keys.

    Args:
        changes: what is changed.
        mask: bool (True is visible) or additive, broadcastable to (batch, heads, rows, keys).
    """
    visible = mask
    if mask is not None and mask.dtype != torch.bool:
        visible = mask >= 0
    elif mask is not None:
        mask = torch.where(mask, 0.0, torch.finfo(torch.float32).min)
    hidden = []
    for change in changes:
        for compared in change.formula.compared:
            without, others = change.keys, ~change.keys
            if compared != WITHOUT:
                without, others = others, without
            seen = others if visible is None else others & visible
            hidden.append(without & seen.any(dim=-1, keepdim=True))
    if not hidden:
        return None if mask is None else mask[None]
    size = (1 + len(hidden), *hidden[0].shape)
    if mask is None:
        masks = torch.zeros(size, device=hidden[0].device)
    else:
        masks = mask.expand(size).clone()
    for own, where in zip(masks[1:], hidden, strict=True):
        own.masked_fill_(where, float("-inf"))
    return masks
