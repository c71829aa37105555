"""One steered attention layer: the stock function for every row, ours for the active ones."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from mata_audio.errors import AlreadyAttachedError, UnsupportedModelError
from mata_audio.steering.active_rows import Rows
from mata_audio.steering.attention import (
    RowAttention,
    RowChange,
    attend_row_to_scaled_keys,
    attend_rows,
    masks_of,
)
from mata_audio.steering.backends import AttentionOutput, call_original
from mata_audio.steering.gain_tensor import KeyGains
from mata_audio.steering.layer_gains import LayerGains
from mata_audio.steering.listening import Noted
from mata_audio.steering.masks import rows_mask
from mata_audio.steering.observation import Observation, Observer
from mata_audio.steering.prompt import HEARD
from mata_audio.steering.scaled_keys import key_heads, shared_by_groups, shares_keys

if TYPE_CHECKING:
    from mata_audio.steering.forward_pass import ForwardPass

MAX_SCORES = 2**23
"""Most scores held at once (batch x heads x rows x keys): more active rows go in chunks."""

# Arguments that change the result of some models' attention, and that must not go unnoticed.
_NOT_HANDLED = ("s_aux", "position_bias")


class SteeredLayer:
    """Attention of one decoder layer with the intervention on.

    Args:
        module: the layer's attention module.
        index: index of the decoder layer.
        changes: what is changed, in all layers.
        views: rows of a batch that belong to one sample; see :class:`~mata_audio.steering.views`.
        observer: shown the attention of the active rows. In a layer in which nothing is changed,
            these are then computed only to be shown: the output is the stock function's.
    """

    def __init__(
        self,
        module: nn.Module,
        index: int,
        changes: Sequence[LayerGains],
        views: int = 1,
        observer: Observer | None = None,
    ) -> None:
        self.config: Any = module.config
        self.index = index
        self.current_pass: ForwardPass | None = None
        self._changes = tuple(change for change in changes if index in change)
        # Without an observer, only layers that have a gain are made into a SteeredLayer.
        self.steers = bool(self._changes)
        self._views = views
        self._observer = observer
        self._names = ",".join(change.name for change in self._changes)
        self._keys_can_be_scaled = (
            len(self._changes) == 1
            and views == 1
            and observer is None  # stock kernels have nothing to show
            and not shares_keys(module)
            and _is_linear_in_keys(self._changes[0].change, index, module)
        )

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be copied or pickled with the model."""
        refuse_copies()

    def __repr__(self) -> str:
        return f"SteeredLayer({self.index})"

    def __call__(
        self, module: nn.Module, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
    ) -> AttentionOutput:
        """Return (output, weights) as the wrapped attention function does.

        Shapes: query ``(batch, heads, rows, head_dim)``, key and value ``(batch, key_heads, keys,
        head_dim)``, output ``(batch, rows, heads, head_dim)``.
        """
        this_pass = self._checked_pass(kwargs).of_last(query.shape[2])
        stock = (module, self.config, query, key, value, mask)
        scaled = this_pass.scaled is not None and self.index in this_pass.scaled
        if this_pass.rows is None or (scaled and not this_pass.reads_prompt):
            return call_original(*stock, **kwargs)

        changes = self._row_changes(query, key, this_pass)
        attend = partial(self._attend, module, query, key, value, mask, this_pass, changes, kwargs)
        at_once = max(1, MAX_SCORES // (query.shape[0] * query.shape[1] * key.shape[2]))
        if not self.steers:
            for part in this_pass.rows.chunks(at_once):
                attend(part)
            return call_original(*stock, **kwargs)
        eager = self.config._attn_implementation == "eager"
        if this_pass.rows.covers(query.shape[2]) and query.shape[2] <= at_once:
            rows = attend(this_pass.rows, self._scaled_keys(key, changes, this_pass))
            return rows.output.transpose(1, 2).contiguous(), rows.weights if eager else None

        output, weights = call_original(*stock, **kwargs)
        if torch.is_grad_enabled():  # a backward pass may need what the stock function returned
            output, weights = output.clone(), None if weights is None else weights.clone()
        scaled_keys = self._scaled_keys(key, changes, this_pass)
        for part in this_pass.rows.chunks(at_once):
            rows = attend(part, scaled_keys)
            part.put(output.transpose(1, 2), rows.output)
            if eager and weights is not None:
                assert rows.weights is not None
                part.put(weights, rows.weights)
        return output, weights

    def _scaled_keys(
        self, key: Tensor, changes: Sequence[RowChange], this_pass: ForwardPass
    ) -> Tensor | None:
        """Once the prompt is read, let the stock kernels do the rest if that is exact."""
        if this_pass.ends_prompt and this_pass.scaled is not None and self._keys_can_be_scaled:
            return this_pass.scaled.scale(self.index, key, changes[0].applied)
        return None

    def _checked_pass(self, kwargs: dict[str, Any]) -> ForwardPass:
        if kwargs.get("cache") is not None:
            refuse_batching()
        for name in _NOT_HANDLED:
            if kwargs.get(name) is not None:
                raise UnsupportedModelError(
                    f"the attention of layer {self.index} uses {name}, which MATA does not handle: "
                    "this model cannot be steered"
                )
        if self.current_pass is None:
            raise UnsupportedModelError(
                "the decoder ran outside the model's own forward, so its audio positions are "
                "unknown: call model(...) or model.generate(...). With gradient checkpointing, "
                "switch it on before the forward pass"
            )
        return self.current_pass

    def _row_changes(
        self, query: Tensor, key: Tensor, this_pass: ForwardPass
    ) -> tuple[RowChange, ...]:
        """Return the changes with what they give to each key of this pass."""
        sizes = (query.shape[2], key.shape[2], query.device)
        return tuple(
            change.of_layer(self.index, this_pass, this_pass.keys(change.keys, *sizes))
            for change in self._changes
        )

    def _attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Any,
        this_pass: ForwardPass,
        changes: tuple[RowChange, ...],
        kwargs: dict[str, Any],
        rows: Rows,
        scaled_keys: Tensor | None = None,
    ) -> RowAttention:
        """Attend from ``rows`` with the intervention; note how they listen, and show it."""
        heard = this_pass.keys(HEARD, query.shape[2], key.shape[2], query.device)
        causal = _given_or(kwargs.get("is_causal"), getattr(module, "is_causal", True))
        window = kwargs.get("sliding_window")

        def make_masks() -> Tensor | None:
            visible = rows_mask(
                mask,
                rows,
                batch=query.shape[0],
                keys=key.shape[2],
                first=this_pass.first(query.shape[2], key.shape[2]),
                device=query.device,
                causal=causal,
                window=window,
            )
            return masks_of(changes, visible)

        kind = f"masks {self._names} {causal} {window}"
        masks = this_pass.made_for(kind, (mask, rows, heard), make_masks)
        taken = rows.take(query)
        scaling = _given_or(kwargs.get("scaling"), query.shape[3] ** -0.5)
        softcap, dropout = kwargs.get("softcap"), kwargs.get("dropout", 0.0)
        if (
            scaled_keys is not None
            and taken.shape[2] == 1
            and (masks is None or masks.shape[2] == 1)
            and self.config._attn_implementation != "eager"  # it returns weights too
            and softcap is None
            and not dropout
        ):
            own = this_pass.made_for(
                f"{kind} fused", (masks,), lambda: None if masks is None else masks[0].to(query)
            )
            attended = attend_row_to_scaled_keys(taken, key, scaled_keys, value, own, scaling)
        else:
            attended = attend_rows(
                taken,
                key,
                value,
                changes=changes,
                masks=masks,
                scaling=scaling,
                softcap=softcap,
                dropout=dropout,
            )
        if this_pass.reads_prompt and self.steers and not this_pass.repeated:
            this_pass.listening.add(
                Noted(attended.raw, changes, heard, masks, softcap, rows, self._views)
            )
        if self._observer is not None and not this_pass.repeated:
            self._show(attended, rows, this_pass, query.shape[2])
        return attended

    @torch.compiler.disable
    def _show(
        self, attended: RowAttention, rows: Rows, this_pass: ForwardPass, queries: int
    ) -> None:
        """Show the observer a part of the pass, which has ``queries`` rows in all."""
        assert self._observer is not None
        assert attended.weights is not None
        keys = attended.weights.shape[3]
        self._observer(
            Observation(
                layer=self.index,
                weights=attended.weights,
                raw=attended.raw,
                audio=this_pass.keys("audio", queries, keys, attended.raw.device).float(),
                rows=rows,
                first_slot=this_pass.past - this_pass.first(queries, keys),
                forward_pass=this_pass,
            )
        )


def refuse_batching(*_: Any, **__: Any) -> NoReturn:
    """Refuse continuous batching; takes any arguments, to stand in for ``generate_batch``."""
    raise UnsupportedModelError(
        "continuous batching (generate_batch, paged caches) cannot be steered: call generate() "
        "instead"
    )


def refuse_copies() -> NoReturn:
    """Refuse to copy or pickle a steered model: its copy would steer through the original."""
    raise AlreadyAttachedError(
        "a steered model cannot be copied, pickled or saved whole: first leave its `with` block, "
        "or call mata_audio.attachment_of(model).detach()"
    )


def _is_linear_in_keys(change: KeyGains, layer: int, module: nn.Module) -> bool:
    """Whether multiplied keys do the same, for every query head that shares them."""
    gains = change.gains
    return (
        change.formula == "multiply"
        and not gains.requires_grad
        and shared_by_groups(gains[layer], key_heads(module, gains.shape[2]))
    )


def _given_or(value: Any, default: Any) -> Any:
    return default if value is None else value
