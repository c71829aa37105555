"""One steered layer under vLLM: its kernel computes every row, ours the active ones again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import wraps
from typing import Any, NamedTuple

import torch
from torch import Tensor

from mata_audio.errors import UnsupportedModelError
from mata_audio.steering.attention import RowChange, attend_rows, masks_of
from mata_audio.steering.formulas import change_named
from mata_audio.steering.gain_tensor import KeyGains
from mata_audio.vllm_plugin.engine import BACKENDS
from mata_audio.vllm_plugin.paged import keys_and_values
from mata_audio.vllm_plugin.step import SteeredRequest, Step

MAX_AT_ONCE = 2**26
"""Most numbers of keys and values that are copied out of the cache at once."""


class Sight(NamedTuple):
    """What the active rows of some requests see in one layer's cache.

    Args:
        blocks: numbers of the requests' blocks, shape ``(R, blocks)``.
        seen: True where a row sees a key, shape ``(R, 1, Q, keys)``.
        unseen: True where no row does, shape ``(R, 1, keys, 1)``: what lies there may be anything,
            even no number.
    """

    blocks: Tensor
    seen: Tensor
    unseen: Tensor


class SteeredBatch:
    """Requests side by side, and what stays the same of them from step to step.

    Args:
        requests: R requests.
        gains: of each kind of change, ``(layers, R, heads)``: those of this process's heads.
        device: where the layers are.
    """

    def __init__(
        self,
        requests: Sequence[SteeredRequest],
        gains: Sequence[KeyGains],
        device: torch.device,
    ) -> None:
        self.requests = requests
        self.gains = [(own, own.gains.to(device)) for own in gains]
        self._device = device
        self._heard: dict[str, Tensor] = {}

    def keys(self, kind: str, count: int) -> Tensor:
        """Return where the keys of a kind are in each request, ``(R, 1, 1, count)``, bool."""
        known = self._heard.get(kind)
        if known is None or known.shape[3] != count:
            found = torch.zeros(len(self.requests), 1, 1, count, dtype=torch.bool)
            for row, request in enumerate(self.requests):
                if kind == request.method.rule().tokens:
                    mask = request.prompt.audio[0]
                else:
                    mask = request.prompt.kinds.get(kind, [()])[0]
                found[row, 0, 0, : len(mask)] = torch.as_tensor(mask, dtype=torch.bool)
            known = self._heard[kind] = found.to(self._device)
        return known


class SteeredStep:
    """A step of the engine, as its layers see it; what all layers need is made once.

    Args:
        step: the active rows.
        batch: the step's requests.
    """

    def __init__(self, step: Step, batch: SteeredBatch) -> None:
        self.step = step
        self._batch = batch
        self._sights: dict[tuple[int, int | None, int], Sight] = {}
        self._masks: dict[int, Tensor | None] = {}

    def changes(self, layer: int, keys: int, chosen: slice) -> list[RowChange]:
        """Return what is changed in a layer, for the chosen requests and this many keys."""
        found = []
        for own, gains in self._batch.gains:
            formula = change_named(own.formula)
            heard = self._batch.keys(own.keys, keys)[chosen]
            applied = formula.applied(gains[layer, chosen][:, :, None, None], heard)
            found.append(RowChange(formula, applied, heard))
        return found

    def steers(self, layer: int) -> bool:
        """Whether anything is changed in a layer."""
        return any(own.steers(layer) for own, _ in self._batch.gains)

    def sight(
        self, metadata: Any, blocks: int, size: int, window: int | None, chosen: slice
    ) -> Sight:
        """Return what the chosen requests' rows see.

        Args:
            metadata: vLLM's, of the layer.
            blocks: most blocks that one of them has.
            size: keys in a block.
            window: sliding window of the layer, in keys.
            chosen: which requests.
        """
        name = (id(metadata), window, chosen.start)
        if name not in self._sights:
            places = self.step.places[chosen]
            last = metadata.seq_lens[places].long()[:, None] - 1
            positions = (last - self.step.offsets[chosen])[:, :, None]
            slots = torch.arange(blocks * size, device=places.device)
            seen = slots <= positions
            if window is not None:
                seen &= slots > positions - window
            unseen = ~seen.any(dim=1)
            unread = unseen.unflatten(1, (-1, size)).all(dim=2)
            table = metadata.block_table[places, :blocks].long().masked_fill(unread, 0)
            self._sights[name] = Sight(table, seen[:, None], unseen[:, None, :, None])
        return self._sights[name]

    def masks(self, changes: Sequence[RowChange], sight: Sight) -> Tensor | None:
        """Return the masks of a layer's changes, which are those of all layers with this sight."""
        name = id(sight)
        if name not in self._masks:
            self._masks[name] = masks_of(changes, sight.seen)
        return self._masks[name]


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
    blocks = -(-step.longest // cache.shape[2])
    shape = (-1, impl.num_heads, impl.head_size)
    rows, queries = output.view(shape), query.view(shape)
    at_once = max(1, MAX_AT_ONCE // (blocks * cache[0].numel()))
    for start in range(0, len(step.requests), at_once):
        chosen = slice(start, start + at_once)
        changes = steered.changes(index, blocks * cache.shape[2], chosen)
        sight = steered.sight(metadata, blocks, cache.shape[2], layer.sliding_window, chosen)
        key, value = keys_and_values(cache, sight.blocks, getattr(layer, "isa", None))
        own_rows = step.rows[chosen]
        attended = attend_rows(
            queries[own_rows].transpose(1, 2),
            key.masked_fill(sight.unseen, 0),
            value.masked_fill(sight.unseen, 0),
            changes=changes,
            masks=steered.masks(changes, sight),
            scaling=impl.scale,
            softcap=impl.logits_soft_cap or None,
        )
        rows[own_rows.flatten()] = attended.output.transpose(1, 2).flatten(0, 1).to(rows.dtype)
