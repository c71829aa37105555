"""Fitting numbers by gradient steps, and choosing the step to stop at on items not seen."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.evaluation.choosing.fitted_numbers import FittedNumbers, rounded
from mata_audio.evaluation.choosing.fitting import Fitting
from mata_audio.evaluation.choosing.prefilled import PrefilledPrompts, frozen
from mata_audio.families import locate
from mata_audio.steering.attachment import Attachment


@dataclass(frozen=True)
class Prompts:
    """A batch of prompts, and which of them must not lose.

    Args:
        read: the prompts.
        guarded: for each group that must not lose, True at its items, shape ``(groups, batch)``.
    """

    read: PrefilledPrompts
    guarded: Tensor

    def __len__(self) -> int:
        return len(self.read.ids)


@dataclass(frozen=True)
class Point:
    """The state of the fitting after some steps, on the validation items.

    Args:
        loss: negative log-probability of the right answer, plus the penalty on moving.
        gained: answers that are right now and were wrong before.
        lost: answers that are wrong now and were right before.
        guarded: the same two numbers for each group that must not lose.
    """

    loss: float
    gained: int
    lost: int
    guarded: tuple[tuple[int, int], ...] = ()

    @property
    def allowed(self) -> bool:
        """Whether no group that must not lose does."""
        return all(gained >= lost for gained, lost in self.guarded)


@dataclass(frozen=True)
class Fitted:
    """Fitted numbers.

    Args:
        gains: of each kind, shape ``(layers, heads)``; all 0 if no step lowered the loss.
        weight: of the contrast; None if none was fitted.
        kept: number of steps after which they were taken.
        path: the validation items' points, from step 0 on.
    """

    gains: tuple[Tensor, ...]
    weight: float | None
    kept: int
    path: tuple[Point, ...]

    @property
    def passed_over(self) -> int:
        """How many steps had a lower loss, but a group that must not lose did."""
        return sum(point.loss < self.path[self.kept].loss for point in self.path)


def fit(
    model: Any,
    seen: Sequence[Prompts],
    unseen: Sequence[Prompts],
    fitting: Fitting,
    tokenizer: Any = None,
) -> Fitted:
    """Fit numbers, starting from 0.

    Args:
        model: a supported model, not steered; its parameters get no gradients.
        seen: prompts to fit on.
        unseen: prompts that decide when to stop.
        fitting: how to fit.
        tokenizer: for kinds of keys that it tells apart.

    Raises:
        SettingsError: the loss is not finite, so that no step can be judged; or a kind of keys
            cannot be found.
    """
    numbers = FittedNumbers(locate(model), fitting, tokenizer)
    optimizer = torch.optim.Adam(numbers.parameters(), lr=fitting.rate, betas=(0.9, 0.95))
    with frozen(model), numbers.attachment() as attachment:
        before = [_Before(part, numbers, attachment, fitting.hold) for part in (*seen, *unseen)]
        to_fit, to_stop = before[: len(seen)], before[len(seen) :]
        path = [_point(to_stop, numbers, attachment)]
        best, kept, lowest = numbers.rounded(), 0, 0
        for step in range(1, fitting.steps + 1):
            _gradients(to_fit, numbers, attachment, optimizer)
            optimizer.step()
            exact = [value.detach().clone() for value in numbers.parameters()]
            numbers.set(numbers.rounded())
            path.append(_point(to_stop, numbers, attachment))
            if not math.isfinite(path[0].loss + path[step].loss):
                raise SettingsError(
                    f"the loss is {path[step].loss} after step {step}, so gains cannot be fitted: "
                    "the model's probabilities overflow; try --dtype float32"
                )
            if path[step].loss < path[kept].loss and path[step].allowed:
                best, kept = numbers.rounded(), step
            if path[step].loss < path[lowest].loss:
                lowest = step
            elif step - lowest >= fitting.patience:
                break
            numbers.set(exact)
        numbers.set(best)
    gains = tuple(rounded(own).cpu() for own in numbers.gains())
    weight = None if numbers.weight is None else float(rounded(numbers.weight))
    return Fitted(gains, weight, kept, tuple(path))


def one_step(model: Any, part: Prompts, fitting: Fitting, tokenizer: Any = None) -> None:
    """Do for one batch what each step does, to see how long that takes."""
    numbers = FittedNumbers(locate(model), fitting, tokenizer)
    optimizer = torch.optim.Adam(numbers.parameters(), lr=fitting.rate)
    with frozen(model), numbers.attachment() as attachment:
        own = [_Before(part, numbers, attachment, fitting.hold)]
        _gradients(own, numbers, attachment, optimizer)


class _Before:
    """A batch as the unsteered model answers it; the numbers must still be 0.

    Args:
        prompts: the batch.
        numbers: what is fitted.
        attachment: of the numbers.
        hold: weight of the divergence from here, on items that are right.
    """

    def __init__(
        self, prompts: Prompts, numbers: FittedNumbers, attachment: Attachment, hold: float
    ) -> None:
        self.prompts = prompts
        self._hold = hold
        with torch.no_grad():
            log_p, self.right = numbers.log_p(prompts.read, attachment)
        self._log_p = (
            log_p if hold else None
        )  # a number for each word: too much to keep for nothing

    def loss(self, log_p: Tensor) -> Tensor:
        """Return the loss of each item, shape ``(batch,)``."""
        read = self.prompts.read
        loss = -read.of_answer(log_p)
        if self._log_p is not None:
            moved = (self._log_p.exp() * (self._log_p - log_p)).sum(dim=2)
            loss = loss + self._hold * (moved * read.counted).sum(dim=1) * self.right
        return loss


def _gradients(
    parts: Sequence[_Before],
    numbers: FittedNumbers,
    attachment: Attachment,
    optimizer: torch.optim.Optimizer,
) -> None:
    """Compute the gradients of the mean loss of all items, and of the penalties."""
    items = sum(len(part.prompts) for part in parts)
    optimizer.zero_grad()
    numbers.put()
    with torch.enable_grad():
        for part in parts:
            log_p, _ = numbers.log_p(part.prompts.read, attachment)
            (part.loss(log_p).sum() / items).backward()
        numbers.lead_back()
        numbers.penalty().backward()


def _point(parts: Sequence[_Before], numbers: FittedNumbers, attachment: Attachment) -> Point:
    loss, items = 0.0, 0
    groups = len(parts[0].prompts.guarded)
    gained, lost = [torch.zeros(1 + groups, dtype=torch.long) for _ in range(2)]
    with torch.no_grad():
        for part in parts:
            log_p, right = numbers.log_p(part.prompts.read, attachment)
            loss += float(part.loss(log_p).sum())
            everything = torch.ones_like(right)[None]
            counted = torch.cat([everything, part.prompts.guarded.to(right.device)])
            gained += (counted & right & ~part.right).sum(dim=1).cpu()
            lost += (counted & part.right & ~right).sum(dim=1).cpu()
            items += len(right)
    pairs = list(zip(gained.tolist(), lost.tolist(), strict=True))
    return Point(loss / items, *pairs[0], tuple(pairs[1:]))
