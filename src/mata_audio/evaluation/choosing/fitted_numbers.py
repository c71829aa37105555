"""The numbers that are fitted, and the gains that the model is given for them.

An attachment holds gains for each layer and head. One number may stand for many of them, so the
gains are leaves of their own: they are filled from the numbers, and their gradients are led back.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from mata_audio.evaluation.choosing.fitting import PER_HEAD, PER_LAYER, Fitting, Kind
from mata_audio.evaluation.choosing.prefilled import PrefilledPrompts
from mata_audio.families import Located
from mata_audio.methods.contrast import Contrast, apart, within
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.by_rule import key_kinds
from mata_audio.steering.gain_tensor import KeyGains

DECIMALS = 4
"""Of the numbers in a setting's file; every figure is measured with numbers so rounded."""

UNHEARD = Kind("mass", "audio")
"""A gain of -1 of this kind takes the audio away from the view that a contrast compares with."""

_CONTRAST = Contrast()


class FittedNumbers:
    """Numbers to be fitted on one model, 0 at first.

    Args:
        located: the model's parts.
        fitting: which numbers there are.
        tokenizer: for kinds of keys other than audio, image and video.
    """

    def __init__(self, located: Located, fitting: Fitting, tokenizer: Any = None) -> None:
        self._located, self._fitting, self._tokenizer = located, fitting, tokenizer
        depth, heads = located.depth, located.heads
        size = {PER_HEAD: (depth, heads), PER_LAYER: (depth, 1)}.get(fitting.shape, (1, 1))
        weight = next(located.listener.parameters())
        like: dict[str, Any] = {
            "device": located.device,
            "dtype": torch.promote_types(weight.dtype, torch.float32),
        }
        self.tables = [torch.zeros(size, **like, requires_grad=True) for _ in fitting.kinds]
        self.weight = torch.zeros((), **like, requires_grad=True) if fitting.contrast else None
        self._attends = torch.zeros(depth, 1, **like)
        self._attends[list(located.attending)] = 1.0
        self._views = 2 if fitting.contrast else 1
        self._leaves = [
            torch.zeros(depth, self._views, heads, **like, requires_grad=True)
            for _ in fitting.kinds
        ]
        self._changes = [
            KeyGains(leaf, kind.formula, kind.keys)
            for leaf, kind in zip(self._leaves, fitting.kinds, strict=True)
        ]
        if fitting.contrast:
            self._take_audio_away(torch.zeros(depth, self._views, heads, **like))

    def _take_audio_away(self, beside: Tensor) -> None:
        kinds = self._fitting.kinds
        if UNHEARD not in kinds:
            self._changes.append(KeyGains(beside, UNHEARD.formula, UNHEARD.keys))
        audio = self._leaves[kinds.index(UNHEARD)] if UNHEARD in kinds else beside
        with torch.no_grad():
            audio[list(self._located.attending), 1] = -1.0

    @property
    def count(self) -> int:
        """How many numbers are fitted."""
        return sum(table.numel() for table in self.tables) + (self.weight is not None)

    def parameters(self) -> list[Tensor]:
        """Return what an optimizer changes."""
        return [*self.tables, *([] if self.weight is None else [self.weight])]

    def attachment(self) -> Attachment:
        """Return an attachment of the gains; errors as for it and for ``key_kinds``."""
        keys = [change.keys for change in self._changes]
        kinds = key_kinds(keys, "audio", self._located, self._tokenizer, None)
        return Attachment(self._located, self._changes, kinds=kinds)

    def gains(self) -> list[Tensor]:
        """Return each kind's gains, shape ``(layers, heads)``, differentiable in the numbers."""
        heads = self._located.heads
        return [(table * self._attends).expand(-1, heads) for table in self.tables]

    @torch.no_grad()
    def put(self) -> None:
        """Give the model the gains of the numbers."""
        for leaf, gains in zip(self._leaves, self.gains(), strict=True):
            leaf[:, 0] = gains
            leaf.grad = None

    def lead_back(self) -> None:
        """Add the gradients of the gains to those of the numbers."""
        for leaf, gains in zip(self._leaves, self.gains(), strict=True):
            if leaf.grad is not None:
                gains.backward(leaf.grad[:, 0])

    @torch.no_grad()
    def rounded(self) -> list[Tensor]:
        """Return the numbers as a file has them."""
        return [rounded(value).to(value) for value in self.parameters()]

    @torch.no_grad()
    def set(self, values: list[Tensor]) -> None:
        """Set the numbers, and give the model their gains."""
        for own, value in zip(self.parameters(), values, strict=True):
            own.copy_(value)
        self.put()

    def penalty(self) -> Tensor:
        """Return the penalties of the numbers."""
        fitting, total = self._fitting, torch.zeros((), device=self._located.device)
        for table in self.tables:
            own = table if len(table) == 1 else table[list(self._located.attending)]
            total = total + fitting.penalty * own.square().mean()
            total = total + fitting.spread_penalty * (own - own.mean()).square().mean()
        return total

    def log_p(self, prompts: PrefilledPrompts, attachment: Attachment) -> tuple[Tensor, Tensor]:
        """Return log-probabilities at each answer token, and whether each answer is right.

        Tokens that the contrast rules out have none, except for the right one: as if it had been
        kept. It does not count as right where it is ruled out.

        Returns:
            Shapes ``(batch, longest answer, vocabulary)`` and ``(batch,)``.
        """
        logits = prompts.logits(attachment, self._views)
        if self.weight is None:
            log_p = logits[0].log_softmax(dim=-1)
            return log_p, prompts.right(log_p)
        heard, unheard = logits
        free = apart(heard, unheard, self.weight, _CONTRAST.power)
        cut = within(_CONTRAST.cut, heard, free)
        answer = torch.zeros_like(cut, dtype=torch.bool).scatter(2, prompts.target[..., None], True)
        return torch.where(answer, free, cut).log_softmax(dim=-1), prompts.right(cut)


def rounded(values: Tensor) -> Tensor:
    """Return values as a file has them, float64."""
    return torch.round(values.detach().double(), decimals=DECIMALS)
