"""How much of the last layers' attention goes to audio, for methods that weigh by it."""

from __future__ import annotations

import torch
from torch import Tensor

from mata_audio.families import Located
from mata_audio.steering.observation import Observation


class AudioShare:
    """Watches the share of attention on audio in the last layers of a pass.

    Args:
        located: the model's parts.
        layers: how many of the last layers that have attention are watched.
    """

    def __init__(self, located: Located, layers: int) -> None:
        self._watched = set(located.attending[-layers:])
        self._shares: list[Tensor] = []

    def __call__(self, observation: Observation) -> None:
        """Take note of one layer of one pass."""
        if observation.layer in self._watched:
            on_audio = (observation.weights.float() * observation.audio).sum(dim=3)
            self._shares.append(on_audio.mean(dim=1))

    def taken(self) -> Tensor:
        """Return the mean over heads and layers since the last call, shape ``(batch, rows)``."""
        mean = torch.stack([share.to(self._shares[0]) for share in self._shares]).mean(dim=0)
        self._shares.clear()
        return mean
