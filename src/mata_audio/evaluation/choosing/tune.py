"""Tune: a gain for each layer and head, fitted by gradient steps; no weight of the model changes.

The prompts are read once. Every step then costs a pass over the last prompt token and the answer,
forwards and backwards. What was right before is held fast by a penalty on moving away from it, and
the gains that are kept are the best ones on items that no step has seen.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.choosing.read_prompts import ReadPrompts, frozen, read_prompts
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.sweep.sweep import tuning_part
from mata_audio.families import locate
from mata_audio.settings.mata import MATA
from mata_audio.steering.attachment import Attachment

UNIT = "fitted gain, mean over the layer's heads"


@dataclass(frozen=True)
class Fitting:
    """How gains are fitted.

    Args:
        steps: at most so many steps of Adam, each over all items.
        rate: of the steps, in gain.
        keep: weight of the KL divergence from the unsteered model, in items that it has right.
        penalty: of the mean squared gain.
        patience: stop after so many steps without a better validation loss.
        validation: share of the tuning items that no step sees.
    """

    steps: int = 40
    rate: float = 0.1
    keep: float = 3.0
    penalty: float = 0.02
    patience: int = 10
    validation: float = 1 / 3


@dataclass(frozen=True)
class Point:
    """Where the fitting is after some steps, on the validation items.

    Args:
        loss: negative log-probability of the right answer, and what the penalty on moving adds.
        gained: answers that are right now and were not before.
        lost: answers that were right and are not now.
    """

    loss: float
    gained: int
    lost: int


@dataclass(frozen=True)
class Fitted:
    """Fitted gains.

    Args:
        gains: shape ``(layers, heads)``; all 0 where no step was better than none.
        kept: after how many steps they are.
        path: of the validation items, from step 0 on.
    """

    gains: Tensor
    kept: int
    path: tuple[Point, ...]


def measure(measuring: Measuring, fitting: Fitting | None = None) -> Evidence:
    """Fit gains on part of the items, and stop by the rest of them.

    Raises:
        DataError: an item's answer is hidden.
        SettingsError: too few items.
    """
    fitting = fitting or Fitting()
    plan, model = measuring.plan, measuring.loaded.model
    kept_back = set(tuning_part(plan.task, plan.items, fitting.validation, seed=1))
    if not 0 < len(kept_back) < len(plan.items):
        raise SettingsError(
            f"{len(plan.items)} tuning items are too few to fit gains on one part of them and stop "
            "by another: give more items"
        )
    seen = [item for item in plan.items if item.id not in kept_back]
    unseen = [item for item in plan.items if item.id in kept_back]
    fitted = fit(model, _read(measuring, seen), _read(measuring, unseen), fitting)
    gains = torch.round(fitted.gains.double(), decimals=4)
    return Evidence(
        method="tune",
        unit=UNIT,
        spread="least to greatest",
        scores=tuple(gains.mean(dim=1).tolist()),
        low=tuple(gains.amin(dim=1).tolist()),
        high=tuple(gains.amax(dim=1).tolist()),
        items=len(plan.items),
        setting=MATA(gains=gains.tolist()),
        facts={
            "fitting": {
                **asdict(fitting),
                "fitted_on": len(seen),
                "validated_on": len(unseen),
                "kept_after_steps": fitted.kept,
                "validation_before": asdict(fitted.path[0]),
                "validation_after": asdict(fitted.path[fitted.kept]),
            },
            "path": [asdict(point) for point in fitted.path],
        },
    )


def fit(
    model: Any,
    seen: Sequence[ReadPrompts],
    unseen: Sequence[ReadPrompts],
    fitting: Fitting,
    formula: str = "multiply",
) -> Fitted:
    """Fit gains, from none at all.

    Args:
        model: a supported model, not steered; its parameters get no gradients.
        seen: what is fitted on.
        unseen: what decides when to stop.
        fitting: how.
        formula: key of :data:`mata_audio.steering.formulas.FORMULAS`.
    """
    located = locate(model)
    device = seen[0].ids.device
    gains = torch.zeros(located.depth, 1, located.heads, device=device, requires_grad=True)
    optimizer = torch.optim.Adam([gains], lr=fitting.rate, betas=(0.9, 0.95))
    with frozen(model), Attachment(located, gains, formula) as attachment:
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
            if path[step].loss < path[kept].loss:
                best, kept = gains.detach().clone(), step
            elif step - kept >= fitting.patience:
                break
    return Fitted(best[:, 0].cpu(), kept, tuple(path))


class _Before:
    """What the unsteered model makes of a batch; ``attachment`` has gains of 0 still."""

    def __init__(self, prompts: ReadPrompts, attachment: Attachment) -> None:
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


def _read(measuring: Measuring, items: Sequence[Item]) -> list[ReadPrompts]:
    model = measuring.loaded.model
    return [
        read_prompts(model, batch.inputs, measuring.answers(batch.items))
        for batch in measuring.batches(items)
    ]
