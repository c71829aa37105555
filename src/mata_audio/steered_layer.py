"""One steered attention layer: the stock function for every row, ours for the active ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor, nn

from mata_audio.attention import RowAttention, attend_rows
from mata_audio.backends import AttentionOutput, call_original
from mata_audio.errors import UnsupportedModelError
from mata_audio.formulas import FORMULAS
from mata_audio.masks import rows_mask
from mata_audio.scaled_keys import key_factors

if TYPE_CHECKING:
    from mata_audio.calls import Call

MAX_SCORES = 2**23
"""Scores held at once (batch x heads x rows x keys): many active rows are worked off in chunks."""

# Arguments of other models' attention that would change the result; not one may be passed over.
_NOT_HANDLED = ("softcap", "s_aux", "position_bias")


class SteeredLayer:
    """Attention of one decoder layer with the intervention on.

    Args:
        module: the layer's attention module.
        index: of the decoder layer.
        gains: of all layers, shape ``(layers, batch or 1, heads)``.
        formula: key of :data:`mata_audio.formulas.FORMULAS`.
    """

    def __init__(self, module: nn.Module, index: int, gains: Tensor, formula: str) -> None:
        self.config: Any = module.config
        self.index = index
        self.call: Call | None = None
        self._gains = gains
        self._formula = FORMULAS[formula]
        key_heads = getattr(self.config, "num_key_value_heads", None) or gains.shape[2]
        can_scale = formula == "multiply" and not gains.requires_grad
        self._factors = key_factors(gains[index], key_heads) if can_scale else None
        # [below zero, all]; kept on the device, as reading it at every pass would make it wait.
        self.audio_scores = torch.zeros(2, dtype=torch.int64, device=gains.device)

    def __call__(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
    ) -> AttentionOutput:
        """Return (output, weights) as the wrapped attention function does.

        Shapes: query ``(batch, heads, rows, head_dim)``, key and value ``(batch, key_heads, keys,
        head_dim)``, output ``(batch, rows, heads, head_dim)``.
        """
        call = self._checked_call(kwargs)
        name = self.config._attn_implementation
        scaled = call.scaled is not None and self.index in call.scaled
        if call.rows.count == 0 or (scaled and not call.reads_prompt):
            return call_original(module, self.config, name, query, key, value, mask, **kwargs)
        if call.rows.index is None:
            rows = self._attend(module, query, key, value, mask, call, None, kwargs)
            return rows.output.contiguous(), rows.weights if name == "eager" else None

        output, weights = call_original(
            module, self.config, name, query, key, value, mask, **kwargs
        )
        if torch.is_grad_enabled():  # a backward pass may need what the stock function returned
            output, weights = output.clone(), None if weights is None else weights.clone()
        index, active = call.rows.index.to(query.device), call.rows.active.to(query.device)
        samples = torch.arange(query.shape[0], device=query.device)[:, None]
        at_once = max(1, MAX_SCORES // (query.shape[0] * query.shape[1] * key.shape[2]))
        for part, keep in zip(index.split(at_once, 1), active.split(at_once, 1), strict=True):
            rows = self._attend(module, query, key, value, mask, call, part, kwargs)
            self._count(rows, keep, call)
            keep = keep[:, :, None, None]
            output[samples, part] = torch.where(keep, rows.output, output[samples, part])
            if name == "eager" and weights is not None:
                new, old = rows.weights.transpose(1, 2), weights[samples, :, part]
                weights[samples, :, part] = torch.where(keep, new, old)
        if call.ends_prompt and call.scaled is not None and self._factors is not None:
            factors = _per_sample(self._factors, query.shape[0]).to(key.device)
            call.scaled.scale(self.index, key, call.prompt.audio.to(key.device), factors)
        return output, weights

    def _checked_call(self, kwargs: dict[str, Any]) -> Call:
        if kwargs.get("cache") is not None:
            raise UnsupportedModelError(
                "continuous batching (generate_batch, paged caches) cannot be steered: use generate()"
            )
        present = [name for name in _NOT_HANDLED if kwargs.get(name) is not None]
        if present:
            raise UnsupportedModelError(
                f"layer {self.index} attends with {present[0]}, which MATA does not handle yet"
            )
        if self.call is None:
            raise UnsupportedModelError(
                "the decoder ran outside the model's own forward, so its audio positions are "
                "unknown: call model(...) or model.generate(...)"
            )
        return self.call

    def _attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Any,
        call: Call,
        index: Tensor | None,
        kwargs: dict[str, Any],
    ) -> RowAttention:
        """Attend from the rows ``index`` (batch, rows), or from all, with the intervention."""
        batch, _, queries, head_dim = query.shape
        keys = key.shape[2]
        visible = rows_mask(
            mask,
            index,
            batch=batch,
            queries=queries,
            keys=keys,
            device=query.device,
            causal=_first_set(kwargs.get("is_causal"), getattr(module, "is_causal", True)),
            window=kwargs.get("sliding_window"),
        )
        if index is not None:
            query = query.gather(
                2, index[:, None, :, None].expand(-1, query.shape[1], -1, head_dim)
            )
        dropped = max(0, call.past + queries - keys)  # a sliding cache has let go of the oldest
        return attend_rows(
            query,
            key,
            value,
            audio=call.prompt.audio.to(query.device)[:, dropped : dropped + keys],
            gain=_per_sample(self._gains[self.index], batch).to(query.device),
            formula=self._formula,
            mask=visible,
            scaling=_first_set(kwargs.get("scaling"), head_dim**-0.5),
            dropout=kwargs.get("dropout", 0.0),
        )

    def _count(self, rows: RowAttention, keep: Tensor, call: Call) -> None:
        """Add this pass's audio scores, of active rows and steered heads, to the receipt."""
        scores = rows.audio_scores.detach()
        audio = call.prompt.audio.to(scores.device)[:, -scores.shape[-1] :]
        heads = _per_sample(self._gains[self.index], scores.shape[0]).to(scores.device) != 0
        counted = audio[:, None, None] & keep[:, None, :, None] & heads[:, :, None, None]
        sums = torch.stack([(counted & (scores < 0)).sum(), counted.sum()])
        self.audio_scores += sums.to(self.audio_scores.device)


def _per_sample(values: Tensor, batch: int) -> Tensor:
    """Repeat (samples, heads) for the beams of each sample; (1, heads) broadcasts as it is."""
    samples = values.shape[0]
    return values if samples in (1, batch) else values.repeat_interleave(batch // samples, dim=0)


def _first_set(value: Any, default: Any) -> Any:
    return default if value is None else value
