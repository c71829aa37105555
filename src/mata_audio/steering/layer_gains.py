"""The gains of all layers, given to the keys of a pass at once: one kernel, not one a layer."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from torch import Tensor

from mata_audio.steering.attention import RowChange
from mata_audio.steering.formulas import change_named
from mata_audio.steering.gain_tensor import KeyGains

if TYPE_CHECKING:
    from mata_audio.steering.forward_pass import ForwardPass

MAX_AT_ONCE = 2**23
"""Most numbers made at once; gains that differ between heads are large."""


class LayerGains:
    """One kind of change in all layers of an attachment.

    Args:
        change: what is changed.
        number: number of the change in its attachment.
        layers: the layers in which it may change something.
        views: rows of a batch that belong to one sample; see :class:`~mata_audio.steering.views`.
    """

    def __init__(self, change: KeyGains, number: int, layers: Sequence[int], views: int) -> None:
        self.change = change
        self.formula = change_named(change.formula)
        self.keys = change.keys
        self.name = str(number)
        self._place = {layer: place for place, layer in enumerate(layers)}
        self._views = views
        self._gains = change.gains
        self._fitted = change.gains.requires_grad
        if not self._fitted:  # fitted ones change between passes
            gains = change.gains[list(layers)]
            same = bool((gains == gains[..., :1]).all())
            self._gains = gains[..., :1] if same else gains

    def __contains__(self, layer: int) -> bool:
        return layer in self._place

    def of_layer(self, layer: int, this_pass: ForwardPass, keys: Tensor) -> RowChange:
        """Return the change of one layer in a pass.

        Args:
            layer: index of the decoder layer.
            this_pass: the pass, which keeps what is made for other layers.
            keys: True at the changed keys, shape ``(batch, 1, 1, keys)``.
        """
        place = self._place[layer]
        batch = keys.shape[0]
        together = max(1, MAX_AT_ONCE // (self._gains.shape[2] * keys.numel()))
        if self._fitted:  # a layer that runs again in the backward pass needs a graph of its own
            together = 1
        start = place - place % together

        def make() -> Tensor:
            gains = self._of_rows(self._gains[start : start + together].to(keys.device), batch)
            if this_pass.strength is not None:
                gains = gains * this_pass.strength.to(keys.device)[:, None]
            return self.formula.applied(gains[..., None, None], keys)

        applied = this_pass.made_for(f"change {self.name} from {start}", (keys,), make)
        return RowChange(self.formula, applied[place - start], keys)

    def _of_rows(self, gains: Tensor, batch: int) -> Tensor:
        """Return gains ``(layers, samples x views, heads)`` for each row of a batch of beams."""
        if gains.shape[1] in (1, batch):
            return gains
        of_sample = gains.unflatten(1, (-1, self._views))
        return of_sample.repeat_interleave(batch // gains.shape[1], dim=1).flatten(1, 2)


def layer_gains(changes: Sequence[KeyGains], depth: int, views: int) -> tuple[LayerGains, ...]:
    """Return the changes of an attachment to a decoder of ``depth`` layers."""
    found = []
    for number, change in enumerate(changes):
        layers = [layer for layer in range(depth) if change.steers(layer)]
        found.append(LayerGains(change, number, layers, views))
    return tuple(found)
