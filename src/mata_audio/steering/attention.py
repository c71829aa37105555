"""The intervention itself: attention of a few query rows, changed towards audio.

Time and memory are rows x keys for each head; no keys x keys matrix is ever made.
"""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from mata_audio.steering.formulas import Formula


class RowChange(NamedTuple):
    """One change of the attention of some query rows.

    Args:
        formula: from :mod:`mata_audio.steering.formulas`.
        gain: one for each key, 0 where it is not changed, shape ``(batch, heads, 1, keys)``.
        keys: for a formula of weights, True at the keys of the changed kind, whatever their gain,
            but nowhere in a sample that has no other key; shape ``(batch, 1, 1, keys)``.
    """

    formula: Formula
    gain: Tensor
    keys: Tensor | None = None


class RowAttention(NamedTuple):
    """Attention of some query rows.

    Args:
        output: shape ``(batch, heads, rows, value_dim)``.
        weights: attention after the softmax, shape ``(batch, heads, rows, keys)``.
        raw: scores before the intervention, same shape.
        unchanged: the weights without the changes, if no score was changed; else None, as
            :func:`unchanged_weights` then has to compute them.
    """

    output: Tensor
    weights: Tensor
    raw: Tensor
    unchanged: Tensor | None = None


def attend_rows(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    *,
    changes: Sequence[RowChange],
    mask: Tensor | None,
    scaling: float,
    softcap: float | None = None,
    dropout: float = 0.0,
) -> RowAttention:
    """Attend from ``query`` with the raw score A, or the weights, changed.

    A = q . k * scaling, before mask and softmax (arXiv 2509.18816, section 2). It is computed in
    the dtype of the query, as Transformers' eager attention does; gain, mask and softmax work in
    float32 or wider. Differentiable in the gains.

    Changes of scores follow each other, in their order. Changes of weights all start from the same
    weights, and what each adds is added up.

    Args:
        query: the rows to attend from, shape ``(batch, heads, rows, head_dim)``.
        key: shape ``(batch, key_heads, keys, head_dim)``; heads is a multiple of key_heads.
        value: shape ``(batch, key_heads, keys, value_dim)``.
        changes: at least one.
        mask: bool (True is visible) or additive, broadcastable to (batch, heads, rows, keys).
        scaling: factor applied to q . k.
        softcap: for models that cap scores: a score becomes cap * tanh(score / cap). The
            intervention comes first, on the raw score.
        dropout: probability that a weight is dropped; 0 at inference.
    """
    batch, heads, rows, head_dim = query.shape
    key_heads, keys = key.shape[1:3]
    grouped = query.reshape(batch * key_heads, -1, head_dim)
    across = key.transpose(2, 3).flatten(0, 1)
    product = torch.baddbmm(query.new_empty(1, 1, 1), grouped, across, beta=0, alpha=scaling)
    raw = product.view(batch, heads, rows, keys)
    scores = raw.to(torch.promote_types(raw.dtype, changes[0].gain.dtype))
    for formula, gain, _ in changes:
        if formula.on_scores is not None:
            scores = formula.on_scores(scores, gain)
    scores = _masked(scores, softcap, mask)
    plain = scores.softmax(dim=-1)
    weights = _reweighed(plain, scores, changes, mask).to(query.dtype)
    if dropout:
        weights = functional.dropout(weights, dropout)
    mixed = torch.matmul(weights.view(batch, key_heads, -1, keys), value)
    changes_scores = any(change.formula.on_scores is not None for change in changes)
    unchanged = None if changes_scores else plain
    return RowAttention(mixed.view(batch, heads, rows, -1), weights, raw, unchanged)


def unchanged_weights(raw: Tensor, softcap: float | None, mask: Tensor | None) -> Tensor:
    """Return the weights of raw scores without any change; arguments as in :func:`attend_rows`."""
    wide = raw.to(torch.promote_types(raw.dtype, torch.float32))
    return _masked(wide, softcap, mask).softmax(dim=-1)


def _masked(scores: Tensor, softcap: float | None, mask: Tensor | None) -> Tensor:
    """Return capped scores, tiny where a key is not visible."""
    if softcap is not None:
        capped = softcap * torch.tanh(scores / softcap)
        scores = capped.masked_fill(scores == float("-inf"), float("-inf"))  # tanh made it finite
    if mask is not None and mask.dtype == torch.bool:
        return torch.where(mask, scores, torch.finfo(scores.dtype).min)
    return scores if mask is None else scores + mask


def _reweighed(
    weights: Tensor, scores: Tensor, changes: Sequence[RowChange], mask: Tensor | None
) -> Tensor:
    """Return ``weights``, the softmax of masked scores, changed by the formulas of weights."""
    found = [
        formula.on_weights(weights, gain, partial(_without, scores, keys, mask))
        for formula, gain, keys in changes
        if formula.on_weights is not None and keys is not None
    ]
    if len(found) < 2:
        return found[0] if found else weights
    return weights + sum(new - weights for new in found)


def _without(scores: Tensor, keys: Tensor, mask: Tensor | None) -> Tensor:
    """Return the weights that rows would have if ``keys`` did not exist.

    A row that sees no other key keeps its own weights.

    Args:
        scores: masked, shape ``(batch, heads, rows, keys)``.
        keys: as in :class:`RowChange`.
        mask: as for :func:`attend_rows`.
    """
    if mask is not None:
        others = ~keys & (mask if mask.dtype == torch.bool else mask >= 0)
        keys = keys & others.any(dim=-1, keepdim=True)
    return scores.masked_fill(keys, float("-inf")).softmax(dim=-1)
