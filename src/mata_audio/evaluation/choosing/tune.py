"""Tune: fit a gain for each layer and head by gradient steps; the model's weights stay unchanged.

The prompts are read once. Each step then costs one forward and backward pass over the last prompt
token and the answer. A penalty keeps answers that were right from moving, and the gains returned
are the best ones on items that no step has seen.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.choosing.prefilled import PrefilledPrompts, frozen, prefill_prompts
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.sweep.sweep import tuning_part
from mata_audio.families import locate
from mata_audio.methods.mata import MATA
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains

UNIT = "fitted gain, mean over the layer's heads"


@dataclass(frozen=True)
class Fitting:
    """How gains are fitted.

    Args:
        steps: largest number of Adam steps, each over all items.
        rate: Adam's step size, in gain.
        keep: weight of the KL divergence from the unsteered model, on items that it gets right.
        penalty: weight of the mean squared gain.
        patience: steps without a better validation loss before stopping.
        validation: share of the tuning items kept for validation.
        formula: what the gains are of; one of :data:`mata_audio.steering.formulas.FORMULAS`.
    """

    steps: int = 40
    rate: float = 0.1
    keep: float = 3.0
    penalty: float = 0.02
    patience: int = 10
    validation: float = 1 / 3
    formula: str = "multiply"


MASS = Fitting(keep=0.0, formula="mass")
"""Gains of the attention mass, by cross-entropy only: they carry over to other kinds of items."""


@dataclass(frozen=True)
class Point:
    """The state of the fitting after some steps, on the validation items.

    Args:
        loss: negative log-probability of the right answer, plus the penalty on moving.
        gained: answers that are right now and were wrong before.
        lost: answers that are wrong now and were right before.
    """

    loss: float
    gained: int
    lost: int


@dataclass(frozen=True)
class Fitted:
    """Fitted gains.

    Args:
        gains: shape ``(layers, heads)``; all 0 if no step lowered the validation loss.
        kept: number of steps after which they were taken.
        path: the validation items' points, from step 0 on.
    """

    gains: Tensor
    kept: int
    path: tuple[Point, ...]


def measure(measuring: Measuring, fitting: Fitting | None = None, method: str = "tune") -> Evidence:
    """Fit gains on some of the items, and use the rest to decide when to stop.

    Args:
        measuring: the tuning items.
        fitting: how to fit; None for the default.
        method: the name that the evidence gets.

    Raises:
        DataError: an item's answer is hidden.
        SettingsError: too few items.
    """
    fitting = fitting or Fitting()
    plan, model = measuring.plan, measuring.loaded.model
    kept_back = set(tuning_part(plan.task, plan.items, fitting.validation, seed=1))
    if not 0 < len(kept_back) < len(plan.items):
        raise SettingsError(
            f"{len(plan.items)} tuning items are too few to fit gains on one part and validate on "
            "another: give more items"
        )
    seen = [item for item in plan.items if item.id not in kept_back]
    unseen = [item for item in plan.items if item.id in kept_back]
    to_fit, to_stop = _read(measuring, seen), _read(measuring, unseen)
    fitted = fit(model, to_fit, to_stop, fitting)
    fitted_on, validated_on = (sum(len(own.ids) for own in part) for part in (to_fit, to_stop))
    gains = torch.round(fitted.gains.double(), decimals=4)
    return Evidence(
        method=method,
        unit=UNIT,
        spread="least to greatest",
        scores=tuple(gains.mean(dim=1).tolist()),
        low=tuple(gains.amin(dim=1).tolist()),
        high=tuple(gains.amax(dim=1).tolist()),
        items=fitted_on + validated_on,
        setting=MATA(gains=gains.tolist(), formula=fitting.formula),
        facts={
            "fitting": {
                **asdict(fitting),
                "fitted_on": fitted_on,
                "validated_on": validated_on,
                "kept_after_steps": fitted.kept,
                "validation_before": asdict(fitted.path[0]),
                "validation_after": asdict(fitted.path[fitted.kept]),
            },
            "path": [asdict(point) for point in fitted.path],
        },
    )


def measure_mass(measuring: Measuring) -> Evidence:
    """Fit gains of the attention mass; errors as for :func:`measure`."""
    return measure(measuring, MASS, "tune-mass")


def fit(
    model: Any,
    seen: Sequence[PrefilledPrompts],
    unseen: Sequence[PrefilledPrompts],
    fitting: Fitting,
) -> Fitted:
    """Fit gains, starting from 0.

    Args:
        model: a supported model, not steered; its parameters get no gradients.
        seen: prompts to fit on.
        unseen: prompts that decide when to stop.
        fitting: how to fit.

    Raises:
        SettingsError: the loss is not finite, so that no step can be judged.
    """
    located = locate(model)
    device = seen[0].ids.device
    gains = torch.zeros(located.depth, 1, located.heads, device=device, requires_grad=True)
    optimizer = torch.optim.Adam([gains], lr=fitting.rate, betas=(0.9, 0.95))
    with frozen(model), Attachment(located, [KeyGains(gains, fitting.formula)]) as attachment:
        items = sum(len(prompts.ids) for prompts in seen)
        before = [_Before(prompts, attachment) for prompts in (*seen, *unseen)]
        to_fit, to_stop = before[: len(seen)], before[len(seen) :]
        path = [_point(to_stop, attachment, fitting.keep)]
        best, kept = gains.detach().clone(), 0
        for step in range(1, fitting.steps + 1):
            optimizer.zero_grad()
            with torch.enable_grad():
                for part in to_fit:
                    log_p = part.prompts.log_p(attachment)
                    (part.loss(log_p, fitting.keep).sum() / items).backward()
                (fitting.penalty * gains.square().mean()).backward()
            optimizer.step()
            path.append(_point(to_stop, attachment, fitting.keep))
            if not math.isfinite(path[0].loss + path[step].loss):
                raise SettingsError(
                    f"the loss is {path[step].loss} after step {step}, so gains cannot be fitted: "
                    "the model's probabilities overflow; try --dtype float32"
                )
            if path[step].loss < path[kept].loss:
                best, kept = gains.detach().clone(), step
            elif step - kept >= fitting.patience:
                break
    return Fitted(best[:, 0].cpu(), kept, tuple(path))


class _Before:
    """A batch as the unsteered model answers it; ``attachment`` must still have gains of 0."""

    def __init__(self, prompts: PrefilledPrompts, attachment: Attachment) -> None:
        self.prompts = prompts
        with torch.no_grad():
            self._log_p = prompts.log_p(attachment)
        self.right = prompts.right(self._log_p)

    def loss(self, log_p: Tensor, keep: float) -> Tensor:
        """Return the loss of each item, shape ``(batch,)``."""
        moved = (self._log_p.exp() * (self._log_p - log_p)).sum(dim=2)
        moved = (moved * self.prompts.counted).sum(dim=1)
        return keep * moved * self.right - self.prompts.of_answer(log_p)


def _point(parts: Sequence[_Before], attachment: Attachment, keep: float) -> Point:
    loss, gained, lost, items = 0.0, 0, 0, 0
    with torch.no_grad():
        for part in parts:
            log_p = part.prompts.log_p(attachment)
            right = part.prompts.right(log_p)
            loss += float(part.loss(log_p, keep).sum())
            gained += int((right & ~part.right).sum())
            lost += int((part.right & ~right).sum())
            items += len(right)
    return Point(loss / items, gained, lost)


def _read(measuring: Measuring, items: Sequence[Item]) -> list[PrefilledPrompts]:
    model = measuring.loaded.model
    return [
        prefill_prompts(model, batch.inputs, measuring.answers(batch.items))
        for batch in measuring.batches(items)
    ]
