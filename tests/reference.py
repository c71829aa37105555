"""MATA written out in full, in float64: what the product is held against.

It shares no code with the product. Every layer builds the whole score matrix; the chosen entries
are changed by the formula; a softmax follows. The model is a float64 copy that runs eager attention
over the whole sequence at once, without a cache.
"""

from __future__ import annotations

import copy
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from unittest import mock

import torch
from torch import Tensor, nn


def changed(scores: Tensor, alpha: Tensor | float, formula: str) -> Tensor:
    """The three formulas, as design and paper state them."""
    return {
        "multiply": (1 + alpha) * scores,
        "absolute": scores + alpha * scores.abs(),
        "add": scores + alpha,
    }[formula]


@contextmanager
def full_score_attention(
    decoder: nn.Module,
    *,
    layers: Sequence[int],
    heads: Sequence[int] | None,
    alpha: float | Tensor,
    formula: str,
    active: Tensor,
    audio: Tensor,
    alone: bool = False,
) -> Iterator[None]:
    """Replace the decoder's eager attention by one with changed scores at active x audio.

    Args:
        decoder: the text decoder of a float64 model.
        layers: steered layers.
        heads: steered heads; None for all.
        alpha: strength; or one for each layer and head, shape (layers, heads).
        formula: "multiply", "absolute" or "add".
        active: query rows that are changed, shape (batch, length).
        audio: audio keys, shape (batch, length).
        alone: whether the other layers keep their own attention, to the last bit.
    """
    spots = active[:, None, :, None] & audio[:, None, None, :]
    own = {id(layer.self_attn) for layer in decoder.layers}
    file = sys.modules[type(decoder.layers[0].self_attn).__module__]
    original = file.eager_attention_forward

    def attention(module, query, key, value, attention_mask, scaling, **kwargs):  # type: ignore
        # The audio encoder of the same file, or a layer that is not steered.
        if id(module) not in own or (alone and module.layer_idx not in layers):
            return original(module, query, key, value, attention_mask, scaling, **kwargs)
        groups = query.shape[1] // key.shape[1]
        key, value = key.repeat_interleave(groups, 1), value.repeat_interleave(groups, 1)
        scores = torch.einsum("bhid,bhjd->bhij", query, key) * scaling
        length = scores.shape[-1]
        rows = slice(length - scores.shape[-2], length)  # with a cache, the last ones
        if module.layer_idx in layers:
            steered = torch.zeros(query.shape[1], dtype=torch.bool)
            steered[list(range(query.shape[1]) if heads is None else heads)] = True
            where = spots[:, :, rows, :length] & steered[None, :, None, None]
            own_alpha = alpha
            if isinstance(alpha, Tensor):
                own_alpha = alpha[module.layer_idx].double()[None, :, None, None]
            scores = torch.where(where, changed(scores, own_alpha, formula), scores)
        causal = torch.ones(length, length, dtype=torch.bool).tril()
        scores = scores.masked_fill(~causal[rows], -torch.inf)
        if attention_mask is not None:
            hidden = attention_mask < 0 if attention_mask.dtype != torch.bool else ~attention_mask
            scores = scores.masked_fill(hidden, torch.finfo(scores.dtype).min)
        weights = scores.softmax(-1)
        return torch.einsum("bhij,bhjd->bihd", weights, value), weights

    with mock.patch.object(file, "eager_attention_forward", attention):
        yield


def double(model: nn.Module) -> nn.Module:
    """A float64 copy of ``model`` that runs eager attention."""
    twin = copy.deepcopy(model).double()
    twin.set_attn_implementation("eager")
    return twin


def decoder_of(model: nn.Module) -> nn.Module:
    """The text decoder; older Transformers keep the thinker's one level higher."""
    return getattr(model.model, "language_model", model.model)


def reference_logits(
    model: nn.Module,
    inputs: dict[str, Tensor],
    *,
    audio_token_id: int,
    prompt_tokens: Sequence[int],
    layers: Sequence[int],
    heads: Sequence[int] | None = None,
    alpha: float | Tensor,
    formula: str = "multiply",
    generated: Tensor | None = None,
    prompt_rows: Tensor | None = None,
) -> Tensor:
    """Logits of every position, shape (batch, length, vocabulary), float64.

    Args:
        model: the model under test, unsteered; it is copied.
        inputs: what the processor returned for the prompts.
        audio_token_id: id at audio positions.
        prompt_tokens: real tokens of each prompt: row n - 1 and later ones are active.
        layers, heads, alpha, formula: the setting.
        generated: tokens to append to each prompt, shape (batch, new).
        prompt_rows: rows of the prompts that are active instead of the last, shape (batch, slots).
    """
    twin = double(model)
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    audio = (ids == audio_token_id) & mask.bool()
    if generated is not None:
        ids = torch.cat([ids, generated], 1)
        mask = torch.cat([mask, torch.ones_like(generated)], 1)
        audio = torch.cat([audio, torch.zeros_like(generated, dtype=torch.bool)], 1)
    positions = mask.cumsum(1) - 1  # counted in real tokens
    active = mask.bool() & (positions >= torch.tensor(prompt_tokens)[:, None] - 1)
    if prompt_rows is not None:
        active[:, : prompt_rows.shape[1]] = prompt_rows
    rest = {k: v for k, v in inputs.items() if k not in ("input_ids", "attention_mask")}
    if "Omni" not in type(model).__name__:  # Omni counts positions from the mask by itself
        rest["position_ids"] = positions.clamp(min=0)
    decoder = decoder_of(twin)
    setting = {"layers": layers, "heads": heads, "alpha": alpha, "formula": formula}
    with (
        torch.no_grad(),
        full_score_attention(decoder, **setting, active=active, audio=audio),
    ):
        return twin(input_ids=ids, attention_mask=mask, use_cache=False, **rest).logits
