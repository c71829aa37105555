"""One steered layer under vLLM: its kernel computes every row, ours the active ones again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any

import torch
from torch import Tensor

from mata_audio.errors import UnsupportedModelError
from mata_audio.steering.attention import RowChange, attend_rows, masks_of
from mata_audio.steering.formulas import change_named
from mata_audio.steering.gain_tensor import KeyGains
from mata_audio.vllm_plugin.engine import BACKENDS
from mata_audio.vllm_plugin.paged import keys_and_values
from mata_audio.vllm_plugin.step import Step

MAX_AT_ONCE = 2**26
"""Most numbers of keys and values that are copied out of the cache at once."""


class SteeredStep:
    """A step of the engine, as its layers see it; what all layers need is made once.

    Args:
        step: the active rows.
        gains: of each kind of change, ``(layers, R, heads)``: those of this process's heads.
        device: where the layers are.
    """

    def __init__(self, step: Step, gains: Sequence[KeyGains], device: torch.device) -> None:
        self.step = step
        self._gains = [(own, own.gains.to(device)) for own in gains]
        self._heard: dict[tuple[str, int], Tensor] = {}

    def changes(self, layer: int, keys: int, chosen: slice) -> list[RowChange]:
        """Return what is changed in a layer, for the chosen requests and this many keys."""
        found = []
        for own, gains in self._gains:
            formula = change_named(own.formula)
            heard = self._keys(own.keys, keys)[chosen]
            applied = formula.applied(gains[layer, chosen][:, :, None, None], heard)
            found.append(RowChange(formula, applied, heard))
        return found

    def steers(self, layer: int) -> bool:
        """Whether anything is changed in a layer."""
        return any(own.steers(layer) for own, _ in self._gains)

    def _keys(self, kind: str, keys: int) -> Tensor:
        """Return where the keys of a kind are in each request, ``(R, 1, 1, keys)``, bool."""
        if (kind, keys) not in self._heard:
            device = self.step.places.device
            found = torch.zeros(len(self.step.requests), 1, 1, keys, dtype=torch.bool)
            for row, request in enumerate(self.step.requests):
                if kind == request.method.rule().tokens:
                    mask = request.prompt.audio[0]
                else:
                    mask = request.prompt.kinds.get(kind, [()])[0]
                found[row, 0, 0, : len(mask)] = torch.as_tensor(mask, dtype=torch.bool)
            self._heard[kind, keys] = found.to(device)
        return self._heard[kind, keys]


def steer(layer: Any, index: int, current: Callable[[], SteeredStep | None]) -> None:
    """Let a layer's active rows be computed again.

    Args:
        layer: vLLM's ``Attention``.
        index: number of the decoder layer.
        current: returns the step that the engine is in; None outside of one, or if it has no
            active row.

    Raises:
        UnsupportedModelError: the layer's attention has something that is not handled.
    """
    impl = layer.impl
    check_layer(layer)
    forward = impl.forward

    @wraps(forward)
    def steered(
        layer: Any,
        query: Tensor,
        key: Tensor,
        value: Tensor,
        kv_cache: Tensor,
        attn_metadata: Any,
        output: Tensor,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        returned = forward(
            layer, query, key, value, kv_cache, attn_metadata, output, *args, **kwargs
        )
        step = current()
        if step is not None and attn_metadata is not None and step.steers(index):
            _rewrite(layer, index, step, query, kv_cache, attn_metadata, output)
        return returned

    impl.forward = steered


def check_layer(layer: Any) -> None:
    """Check that a layer's attention is what we compute: a softmax over its cache.

    Raises:
        UnsupportedModelError: it is not.
    """
    backend = layer.attn_backend.get_name()
    if backend not in BACKENDS:
        raise UnsupportedModelError(
            f"the attention backend {backend} cannot be steered: start vLLM with "
            f"--attention-backend {BACKENDS[1]} (or {', '.join(BACKENDS[2:])})"
        )
    for name in ("alibi_slopes", "sinks"):
        if getattr(layer.impl, name, None) is not None:
            raise UnsupportedModelError(f"a layer whose attention has {name} cannot be steered")


def _rewrite(
    layer: Any,
    index: int,
    steered: SteeredStep,
    query: Tensor,
    cache: Tensor,
    metadata: Any,
    output: Tensor,
) -> None:
    """Compute the active rows of a layer, and write them over those of vLLM's kernel."""
    step, impl = steered.step, layer.impl
    size = cache.shape[2]
    blocks = -(-step.longest // size)
    heads, head_dim = impl.num_heads, impl.head_size
    rows = output.view(-1, heads, head_dim)
    queries = query.view(-1, heads, head_dim)
    at_once = max(1, MAX_AT_ONCE // (blocks * cache[0].numel()))
    for start in range(0, len(step.requests), at_once):
        chosen = slice(start, start + at_once)
        places, own_rows = step.places[chosen], step.rows[chosen]
        read = metadata.seq_lens[places].long()
        positions = read[:, None] - 1 - step.offsets[chosen]
        slots = torch.arange(blocks * size, device=query.device)
        seen = slots <= positions[:, :, None]
        if layer.sliding_window is not None:
            seen &= slots > positions[:, :, None] - layer.sliding_window
        table = metadata.block_table[places, :blocks].long()
        unread = ~seen.any(dim=1)
        table = table.masked_fill(unread.unflatten(1, (-1, size)).all(dim=2), 0)
        key, value = keys_and_values(cache, table, getattr(layer, "isa", None))
        never = unread[:, None, :, None]  # what lies there may be anything, even no number
        changes = steered.changes(index, blocks * size, chosen)
        attended = attend_rows(
            queries[own_rows].transpose(1, 2),
            key.masked_fill(never, 0),
            value.masked_fill(never, 0),
            changes=changes,
            masks=masks_of(changes, seen[:, None]),
            scaling=impl.scale,
            softcap=impl.logits_soft_cap or None,
        )
        rows[own_rows.flatten()] = attended.output.transpose(1, 2).flatten(0, 1).to(rows.dtype)
