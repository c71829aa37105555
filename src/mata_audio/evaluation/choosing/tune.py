"""Tune: fit gains of any kinds by gradient steps; the model's weights stay unchanged.

The prompts are read once. Each step then costs one forward and backward pass over the last prompt
token and the answer. The numbers returned are the best ones on items that no step has seen.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict
from typing import Any

import torch

from mata_audio.errors import SettingsError
from mata_audio.evaluation.choosing.cost import Sample, cost
from mata_audio.evaluation.choosing.descent import Fitted, Point, Prompts, fit, one_step
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.fitted_numbers import FittedNumbers, rounded
from mata_audio.evaluation.choosing.fitted_setting import fitted_setting
from mata_audio.evaluation.choosing.fitting import Fitting
from mata_audio.evaluation.choosing.measuring import Batch, Measuring
from mata_audio.evaluation.choosing.prefilled import prefill_prompts
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.where import check_groups
from mata_audio.evaluation.sweep.sweep import tuning_part
from mata_audio.families import locate

TIMED = 3
"""Batches that are read before it is said how long all will take."""

Part = list[Prompts]


def measure(measuring: Measuring, fitting: Fitting | None = None) -> Evidence:
    """Fit gains on some of the items, and use the rest to decide when to stop.

    Args:
        measuring: the tuning items.
        fitting: how to fit; None for the default.

    Raises:
        DataError: an item's answer is hidden.
        SettingsError: too few items, or a group that must not lose has none.
    """
    fitting = fitting or Fitting()
    model, tokenizer = measuring.loaded.model, measuring.loaded.processor.tokenizer
    parts = list(_read(measuring, divided(measuring, fitting), fitting))
    fits = []
    for number in range(fitting.folds):
        seen = [prompts for other, part in enumerate(parts) if other != number for prompts in part]
        fits.append(fit(model, seen, parts[number], fitting, tokenizer))
    tables = [
        rounded(torch.stack(own).mean(dim=0))
        for own in zip(*(found.gains for found in fits), strict=True)
    ]
    weights = [found.weight for found in fits if found.weight is not None]
    weight = float(rounded(torch.tensor(weights).mean())) if weights else None
    first = tables[0]
    sizes = [sum(map(len, part)) for part in parts]
    return Evidence(
        by="tune",
        unit=f"fitted gain of {fitting.kinds[0]}, mean over the layer's heads",
        spread="least to greatest",
        scores=tuple(first.mean(dim=1).tolist()),
        low=tuple(first.amin(dim=1).tolist()),
        high=tuple(first.amax(dim=1).tolist()),
        items=sum(sizes),
        setting=fitted_setting(fitting, tables, weight),
        facts={
            "fitting": {
                **fitting.as_data(),
                "numbers": FittedNumbers(locate(model), fitting, tokenizer).count,
                "weights": dict(measuring.weights),
                **_account(fitting, fits, sizes),
            },
            "path": [[_as_data(point) for point in found.path] for found in fits],
        },
    )


def divided(measuring: Measuring, fitting: Fitting) -> list[list[Item]]:
    """Return the parts of the items: each decides when a fit on the others stops.

    With one fold, the first decides and the second is fitted on.

    Raises:
        SettingsError: too few items, or a group that must not lose has none in a part.
    """
    plan = measuring.plan
    for key, group in fitting.keep:
        check_groups(plan.dataset, key, [group])
    shares = [fitting.validation]
    if fitting.folds > 1:
        shares = [1 / left for left in range(fitting.folds, 1, -1)]
    parts, rest = [], list(plan.items)
    for share in shares:
        ids = set(tuning_part(plan.task, rest, share, fitting.seed))
        parts.append([item for item in rest if item.id in ids])
        rest = [item for item in rest if item.id not in ids]
    parts.append(rest)
    if not all(parts):
        raise SettingsError(
            f"{len(plan.items)} tuning items are too few to fit gains on one part and validate on "
            "another: give more items"
        )
    for key, group in fitting.keep:
        for part in parts[: fitting.folds]:
            if not any(item.groups.get(key) == group for item in part):
                raise SettingsError(
                    f"no item of {key} {group!r} is among the {len(part)} that decide when to "
                    "stop, so it cannot be seen to lose: give more items, or leave it out"
                )
    return parts


def _read(
    measuring: Measuring, parts: Sequence[Sequence[Item]], fitting: Fitting
) -> Iterator[Part]:
    """Read the prompts of each part; after some batches, say what all will need."""
    items = sum(map(len, parts))
    timed: list[tuple[Prompts, float]] = []
    for part in parts:
        read: Part = []
        for batch in measuring.batches(part):
            read.append(_prompts(measuring, batch, fitting))
            if len(timed) < TIMED:
                timed.append((read[-1], time.perf_counter()))
                if len(timed) == TIMED:
                    measuring.say(_estimate(measuring, timed, fitting, items))
        yield read


def _estimate(
    measuring: Measuring, timed: Sequence[tuple[Prompts, float]], fitting: Fitting, items: int
) -> str:
    """Time one step on the last of some batches, and return what all will need, in words.

    The first batch and the first step are not counted: libraries warm up in them.
    """
    model, tokenizer = measuring.loaded.model, measuring.loaded.processor.tokenizer
    prompts = timed[-1][0]
    one_step(model, prompts, fitting, tokenizer)
    start = time.perf_counter()
    one_step(model, prompts, fitting, tokenizer)
    sample = Sample(
        kept_bytes=sum(own.read.cache_bytes for own, _ in timed)
        / sum(len(own) for own, _ in timed),
        reading=(timed[-1][1] - timed[0][1]) / sum(len(own) for own, _ in timed[1:]),
        step=(time.perf_counter() - start) / len(prompts),
    )
    count = FittedNumbers(locate(model), fitting, tokenizer).count
    numbers = "1 number" if count == 1 else f"{count:,} numbers"
    fits = "" if fitting.folds == 1 else f" in {fitting.folds} fits"
    return f"fitting {numbers} on {items:,} items{fits}: {cost(sample, fitting, items).in_words()}"


def _prompts(measuring: Measuring, batch: Batch, fitting: Fitting) -> Prompts:
    answers = measuring.answers(batch.items)
    read = prefill_prompts(measuring.loaded.model, batch.inputs, answers)
    rows = [[item.groups.get(key) == group for item in batch.items] for key, group in fitting.keep]
    guarded = torch.tensor(rows, dtype=torch.bool).view(len(rows), len(batch.items))
    return Prompts(read, guarded)


def _as_data(point: Point) -> dict[str, Any]:
    return {**asdict(point), "guarded": [list(own) for own in point.guarded]}


def _account(fitting: Fitting, fits: Sequence[Fitted], sizes: Sequence[int]) -> dict[str, Any]:
    """Return what happened, as JSON data: over all fits, and for each if there are several."""
    kept_back = sizes[: fitting.folds]
    before = [found.path[0] for found in fits]
    after = [found.path[found.kept] for found in fits]
    return {
        "fitted_on": sum(sizes) if fitting.folds > 1 else sizes[1],
        "validated_on": sum(kept_back),
        "kept_after_steps": [found.kept for found in fits] if fitting.folds > 1 else fits[0].kept,
        "passed_over": sum(found.passed_over for found in fits),
        "validation_before": _pooled(before, kept_back, fitting),
        "validation_after": _pooled(after, kept_back, fitting),
    }


def _pooled(points: Sequence[Point], sizes: Sequence[int], fitting: Fitting) -> dict[str, Any]:
    """Return points of several parts as one, each fit's own numbers on its own part."""
    groups = [f"{key}={group}" for key, group in fitting.keep]
    loss = sum(point.loss * size for point, size in zip(points, sizes, strict=True)) / sum(sizes)
    guarded: Mapping[str, Any] = {
        group: {
            "gained": sum(point.guarded[place][0] for point in points),
            "lost": sum(point.guarded[place][1] for point in points),
        }
        for place, group in enumerate(groups)
    }
    return {
        "loss": loss,
        "gained": sum(point.gained for point in points),
        "lost": sum(point.lost for point in points),
        **({"keep": guarded} if guarded else {}),
    }
