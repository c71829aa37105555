"""One steered attention layer: the stock function for every row, ours for the active ones."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, NoReturn

import torch
from torch import Tensor, nn

from mata_audio.errors import AlreadyAttachedError, UnsupportedModelError
from mata_audio.steering.active_rows import Rows
from mata_audio.steering.attention import RowAttention, RowChange, attend_rows
from mata_audio.steering.backends import AttentionOutput, call_original
from mata_audio.steering.formulas import change_named
from mata_audio.steering.gain_tensor import KeyGains
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
        changes: what is changed, with gains of all layers.
        views: rows of a batch that belong to one sample; see :class:`~mata_audio.steering.views`.
        observer: shown the attention of the active rows. In a layer whose gains are all 0, these
            are then computed only to be shown: the output is the stock function's.
    """

    def __init__(
        self,
        module: nn.Module,
        index: int,
        changes: Sequence[KeyGains],
        views: int = 1,
        observer: Observer | None = None,
    ) -> None:
        self.config: Any = module.config
        self.index = index
        self.current_pass: ForwardPass | None = None
        own = [change for change in changes if change.steers(index)]
        # Without an observer, only layers that have a gain are made into a SteeredLayer.
        self.steers = bool(own)
        self._changes = tuple(own or changes[:1])
        self._views = views
        self._observer = observer
        first = self._changes[0]
        self._keys_can_be_scaled = (
            len(own) == 1
            and first.formula == "multiply"
            and views == 1
            and observer is None  # stock kernels have nothing to show
            and not first.gains.requires_grad
            and not shares_keys(module)
            and shared_by_groups(first.gains[index], key_heads(module, first.gains.shape[2]))
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
        eager = self.config._attn_implementation == "eager"
        at_once = max(1, MAX_SCORES // (query.shape[0] * query.shape[1] * key.shape[2]))
        if not self.steers:
            for part in this_pass.rows.chunks(at_once):
                self._attend(module, query, key, value, mask, this_pass, part, changes, kwargs)
            return call_original(*stock, **kwargs)
        if this_pass.rows.covers(query.shape[2]) and query.shape[2] <= at_once:
            rows = self._attend(
                module, query, key, value, mask, this_pass, this_pass.rows, changes, kwargs
            )
            self._scale_keys(key, changes[0].gain, this_pass)
            return rows.output.transpose(1, 2).contiguous(), rows.weights if eager else None

        output, weights = call_original(*stock, **kwargs)
        if torch.is_grad_enabled():  # a backward pass may need what the stock function returned
            output, weights = output.clone(), None if weights is None else weights.clone()
        for part in this_pass.rows.chunks(at_once):
            rows = self._attend(module, query, key, value, mask, this_pass, part, changes, kwargs)
            part.put(output.transpose(1, 2), rows.output)
            if eager and weights is not None:
                part.put(weights, rows.weights)
        self._scale_keys(key, changes[0].gain, this_pass)
        return output, weights

    def _scale_keys(self, key: Tensor, gain: Tensor, this_pass: ForwardPass) -> None:
        """Once the prompt is read, let the stock kernels do the rest if that is exact."""
        if this_pass.ends_prompt and this_pass.scaled is not None and self._keys_can_be_scaled:
            this_pass.scaled.scale(self.index, key, gain)

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
        """Return the changes with a gain for each key of this pass."""
        sizes = (query.shape[2], key.shape[2], query.device)
        found = []
        for change in self._changes:
            gains = self._of_rows(change.gains[self.index].to(query.device), query.shape[0])
            if this_pass.strength is not None:
                gains = gains * this_pass.strength.to(query.device)[:, None]
            gain = gains[:, :, None, None] * this_pass.keys(change.keys, *sizes)
            formula = change_named(change.formula)
            keys = None if formula.on_weights is None else this_pass.changeable(change.keys, *sizes)
            found.append(RowChange(formula, gain, keys))
        return tuple(found)

    def _of_rows(self, gains: Tensor, batch: int) -> Tensor:
        """Return gains ``(samples x views, heads)`` for each row of a batch of beams of them."""
        if gains.shape[0] in (1, batch):
            return gains
        of_sample = gains.view(-1, self._views, gains.shape[1])
        beams = batch // gains.shape[0]
        return of_sample.repeat_interleave(beams, dim=0).flatten(0, 1)

    def _attend(
        self,
        module: nn.Module,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        mask: Any,
        this_pass: ForwardPass,
        rows: Rows,
        changes: tuple[RowChange, ...],
        kwargs: dict[str, Any],
    ) -> RowAttention:
        """Attend from ``rows`` with the intervention; note how they listen, and show it."""
        visible = rows_mask(
            mask,
            rows,
            batch=query.shape[0],
            keys=key.shape[2],
            first=this_pass.first(query.shape[2], key.shape[2]),
            device=query.device,
            causal=_given_or(kwargs.get("is_causal"), getattr(module, "is_causal", True)),
            window=kwargs.get("sliding_window"),
        )
        attended = attend_rows(
            rows.take(query),
            key,
            value,
            changes=changes,
            mask=visible,
            scaling=_given_or(kwargs.get("scaling"), query.shape[3] ** -0.5),
            softcap=kwargs.get("softcap"),
            dropout=kwargs.get("dropout", 0.0),
        )
        if this_pass.reads_prompt and self.steers and not this_pass.repeated:
            this_pass.listening.add(
                Noted(
                    attended,
                    tuple(self._of_first_view(c.gain.detach(), query.shape[0]) for c in changes),
                    this_pass.keys(HEARD, query.shape[2], key.shape[2], query.device),
                    visible,
                    kwargs.get("softcap"),
                    rows,
                )
            )
        if self._observer is not None and not this_pass.repeated:
            self._show(attended, rows, this_pass, query.shape[2])
        return attended

    def _of_first_view(self, gain: Tensor, batch: int) -> Tensor:
        """Return ``gain``, 0 in rows of other views, which are not counted."""
        if self._views == 1:
            return gain
        first = torch.arange(batch, device=gain.device) % self._views == 0
        return gain * first[:, None, None, None]

    @torch.compiler.disable
    def _show(
        self, attended: RowAttention, rows: Rows, this_pass: ForwardPass, queries: int
    ) -> None:
        """Show the observer a part of the pass, which has ``queries`` rows in all."""
        assert self._observer is not None
        keys = attended.weights.shape[3]
        self._observer(
            Observation(
                layer=self.index,
                weights=attended.weights,
                raw=attended.raw,
                audio=this_pass.keys("audio", queries, keys, attended.raw.device),
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


def _given_or(value: Any, default: Any) -> Any:
    return default if value is None else value
