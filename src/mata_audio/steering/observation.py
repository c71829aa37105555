"""What an observer of the attention is shown: the active rows of one layer, nothing larger."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import torch
from torch import Tensor

from mata_audio.steering.active_rows import Rows

if TYPE_CHECKING:
    from mata_audio.steering.forward_pass import ForwardPass


@dataclass(frozen=True)
class Observation:
    """The attention of the active rows of one layer in one forward pass.

    If a pass has very many active rows, the observer is shown each layer in several parts.

    Args:
        layer: index of the decoder layer.
        weights: attention after the intervention and the softmax, shape ``(batch, heads, rows,
            keys)``.
        raw: scores before the intervention and the mask, same shape.
        audio: 1.0 at audio keys and 0.0 at others, shape ``(batch, 1, 1, keys)``.
        rows: which rows of the pass these are.
        first_slot: cache slot of the first key; 0 unless a sliding cache has dropped keys.
        forward_pass: the pass, with its prompt.
    """

    layer: int
    weights: Tensor
    raw: Tensor
    audio: Tensor
    rows: Rows
    first_slot: int
    forward_pass: ForwardPass

    @property
    def active(self) -> Tensor:
        """Which rows are active, shape ``(batch, rows)``; none in samples without audio."""
        batch, _, rows, _ = self.weights.shape
        with_audio = torch.tensor(self.forward_pass.prompt.audio_tokens) > 0
        every = torch.ones(batch, 1, rows, 1, dtype=torch.bool, device=self.weights.device)
        return self.rows.only_active(every)[:, 0, :, 0] & with_audio.to(every.device)[:, None]


class Observer(Protocol):
    """Called once the active rows of a layer are computed; must not change what it is shown."""

    def __call__(self, observation: Observation) -> None:
        """Take note of one layer of one pass."""
