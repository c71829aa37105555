"""Adding up attention by kind of token while the model runs; only sums are kept."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.nn import functional
from transformers import StoppingCriteria

from mata_audio.profiling.moments import Moments
from mata_audio.profiling.result import Attention
from mata_audio.steering.observation import Observation
from mata_audio.steering.token_kinds import AUDIO, GENERATED, KINDS, TEXT

Floats = NDArray[np.float64]


class Speaking(StoppingCriteria):
    """Notes which samples of a ``generate`` call are still answering; never stops it.

    Args:
        width: number of slots of the prompt.
        ends: token ids that end an answer.
    """

    def __init__(self, width: int, ends: Collection[int]) -> None:
        self._width = width
        self._ends = sorted(ends)
        self.samples: Tensor | None = None
        """Shape ``(batch,)``; None before the first new token."""

    def __call__(self, input_ids: Tensor, scores: Tensor, **_: object) -> Tensor:
        new = input_ids[:, self._width :]
        self.samples = ~torch.isin(new, new.new_tensor(self._ends)).any(dim=1)
        return torch.zeros_like(self.samples)


class BatchMasses:
    """An observer that adds up the attention of one batch of prompts by kind.

    Args:
        kinds: kinds of the prompts' tokens, shape ``(batch, width)``.
        layers: number of decoder layers.
        speaking: says which samples' rows count.
    """

    def __init__(self, kinds: Tensor, layers: int, speaking: Speaking) -> None:
        self._kinds = kinds
        self._speaking = speaking
        self._by_kind: Tensor | None = None
        self._masses: list[Tensor | float] = [0.0] * layers
        self._below: list[Tensor | float] = [0.0] * layers
        self._rows: Tensor | float = 0.0
        # All layers of one pass have the same active rows.
        self._latest: tuple[object, ...] | None = None
        self._shown: Observation | None = None
        self._counted: Tensor | None = None

    def __call__(self, observation: Observation) -> None:
        """Add one layer of one pass."""
        weights, raw, layer = observation.weights, observation.raw, observation.layer
        batch, heads, rows, keys = weights.shape
        table = self._table(keys, observation.first_slot, weights.device)
        active = self._active(observation)
        counted = active[:, None, :, None]
        masses = (weights.to(torch.float32).reshape(batch, -1, keys) @ table).view(
            batch, heads, rows, -1
        )
        below = ((raw < 0) * observation.audio).sum(dim=3, keepdim=True)
        self._masses[layer] += (masses * counted).sum(dim=2)
        self._below[layer] += (below * counted).sum(dim=(2, 3))
        if layer == 0:
            self._rows += active.sum(dim=1)

    def _active(self, observation: Observation) -> Tensor:
        """Return 1.0 at rows that count and 0.0 at others, shape ``(batch, rows)``."""
        part = (id(observation.forward_pass), id(observation.rows), observation.weights.device)
        if part != self._latest:
            active = observation.active
            if self._speaking.samples is not None:
                active = active & self._speaking.samples.to(active.device)[:, None]
            self._latest, self._counted = part, active.to(torch.float32)
            self._shown = observation  # keeps these objects alive, so that their ids are not reused
        assert self._counted is not None
        return self._counted

    def _table(self, keys: int, first_slot: int, device: torch.device) -> Tensor:
        """Return 1.0 where a key has a kind, else 0.0, shape ``(batch, keys, kinds)``."""
        table = self._by_kind
        if table is None or table.shape[1] != keys or table.device != device:
            own = self._kinds[:, first_slot : first_slot + keys]
            own = functional.pad(own, (0, keys - own.shape[1]), value=GENERATED)
            table = (own[:, :, None] == torch.arange(len(KINDS))).to(device, torch.float32)
            self._by_kind = table
        return table

    def result(self) -> tuple[Floats, Floats, Floats]:
        """Return masses, counts of negative scores and rows, summed over each sample's rows.

        Shapes: ``(batch, layers, heads, kinds)``, ``(batch, layers, heads)``, ``(batch,)``.
        """
        assert isinstance(self._rows, Tensor), "nothing was observed"
        return _stacked(self._masses), _stacked(self._below), _array(self._rows)


class Gathered:
    """The sums under one setting, over all batches so far."""

    def __init__(self) -> None:
        self._masses = Moments()
        self._density = Moments()
        self._below: Floats = np.zeros(())
        self._scores = 0.0
        self._rows = 0

    def add(self, masses: Floats, below: Floats, rows: Floats, tokens: Floats) -> None:
        """Add a batch: the result of :class:`BatchMasses`, and the number of tokens of each kind.

        Args:
            masses: shape ``(batch, layers, heads, kinds)``.
            below: shape ``(batch, layers, heads)``.
            rows: shape ``(batch,)``.
            tokens: number of prompt tokens by kind, and of audio positions in the last column,
                shape ``(batch, kinds + 1)``.
        """
        of_item = masses / rows[:, None, None, None]
        self._masses.add(of_item)
        both = (tokens[:, AUDIO] > 0) & (tokens[:, TEXT].sum(axis=1) > 0)
        density = per_token(of_item[both].mean(axis=2), tokens[both])
        self._density.add(np.stack(density, axis=2))
        self._below = self._below + below.sum(axis=0)
        self._scores += float((rows * tokens[:, -1]).sum())
        self._rows += int(rows.sum())

    def attention(self, setting: dict[str, object] | None) -> Attention:
        """Return the averages over all items added."""
        layers = self._masses.mean.shape[0]
        imbalance = np.full(layers, np.nan)
        if self._density.count:
            audio, text = self._density.mean.T
            np.divide(audio, text, out=imbalance, where=text > 0)
        return Attention(
            mean=self._masses.mean,
            spread=self._masses.spread,
            imbalance=imbalance,
            negative_share=self._below / self._scores,
            rows=self._rows,
            setting=setting,
        )


def counted(kinds: Tensor, audio: Tensor) -> Floats:
    """Return each prompt's number of tokens of each kind and at audio positions.

    Args:
        kinds: shape ``(batch, tokens)``.
        audio: True at audio positions, whatever their kind, same shape.

    Returns:
        Shape ``(batch, kinds + 1)``.
    """
    by_kind = (kinds[:, :, None] == torch.arange(len(KINDS))).sum(dim=1)
    return _array(torch.cat([by_kind, audio.sum(dim=1, keepdim=True)], dim=1))


def per_token(masses: Floats, tokens: Floats) -> tuple[Floats, Floats]:
    """Return the attention per audio token and per text token, each ``(batch, layers)``.

    Args:
        masses: mean over heads, shape ``(batch, layers, kinds)``.
        tokens: from :func:`counted`.
    """
    to_audio = masses[:, :, AUDIO] / tokens[:, AUDIO, None]
    to_text = masses[:, :, TEXT].sum(axis=2) / tokens[:, TEXT].sum(axis=1)[:, None]
    return to_audio, to_text


def _stacked(parts: Sequence[Tensor | float]) -> Floats:
    return np.stack([_array(part) for part in parts if isinstance(part, Tensor)], axis=1)


def _array(values: Tensor) -> Floats:
    return values.double().cpu().numpy()
