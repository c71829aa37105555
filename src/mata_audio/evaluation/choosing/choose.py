"""``choose``: layers by measurement, alpha along them, and an honest report on other items."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from mata_audio.asking import prompt_style
from mata_audio.errors import DataError, SettingsError
from mata_audio.evaluation.choosing import gradient, knockout
from mata_audio.evaluation.choosing.evidence import Evidence, make_evidence
from mata_audio.evaluation.choosing.replies import expected_reply
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.prepare import Prepared, Preparer, ahead, batches, stacked
from mata_audio.evaluation.running.run_folder import RunFolder
from mata_audio.evaluation.running.runner import HELD_BYTES, Progress, auto_batch
from mata_audio.evaluation.running.runs import loaded_model
from mata_audio.evaluation.settings import NamedSetting, with_baseline
from mata_audio.evaluation.sweep.grid import grid
from mata_audio.evaluation.sweep.sweep import Sweep, check_divisible, sweep_plan, tuning_part
from mata_audio.evaluation.task import Task
from mata_audio.families import locate
from mata_audio.layers import format_indices, scaled_paper_layers
from mata_audio.loading import Loaded

METHODS = {
    "knockout": "where the answer moves when a layer cannot hear the audio; needs no answers",
    "gradient": "where the right answer grows likelier with more attention to audio",
    "search": "every window of layers, as a sweep: the yardstick",
}
"""How layers can be chosen, by name."""

ALPHAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Choice:
    """Chosen layers with their evidence, and what came of them.

    Args:
        evidence: measured on the tuning part; None for the search, which measures no layer.
        sweep: of alpha along the chosen layers, or of all windows for the search; ranked on the
            tuning part, reported on the rest.
        setting: the chosen setting; None where no alpha gained more than it lost.
    """

    evidence: Evidence | None
    sweep: Sweep
    setting: NamedSetting | None


def choose(
    model: str | Path | Loaded,
    task: str | Task,
    out: str | Path,
    method: str = "knockout",
    *,
    data: str | Path | None = None,
    alphas: Sequence[float] = ALPHAS,
    tuning_share: float = 0.5,
    split_seed: int = 0,
    report: Callable[[Progress], None] | None = None,
    **options: Any,
) -> Choice:
    """Choose layers on one part of the items, alpha along them, and report on the rest.

    Args:
        model: as for :func:`mata_audio.evaluation.evaluate`.
        task: the same.
        out: folder of the run; ``winner.json`` there is the chosen setting.
        method: one of :data:`METHODS`.
        data: the benchmark's folder, question file or hub id.
        alphas: tried along the chosen layers.
        tuning_share: share of the items that layers and alpha are chosen on.
        split_seed: of the division of the items.
        report: called with the progress after every batch of the last step.
        options: fields of :class:`mata_audio.evaluation.Options`.

    Raises:
        SettingsError: no such method, or too few items.
        DataError: the method needs right answers and the split hides them.
        MataError: as for :func:`mata_audio.evaluation.evaluate`.
    """
    if method not in METHODS:
        raise SettingsError(f"no method {method!r}; allowed: {', '.join(METHODS)}")
    plan = make_plan(model, task, data, (), Options(**options))
    return choose_plan(
        plan,
        RunFolder(out),
        method,
        alphas,
        tuning_share=tuning_share,
        split_seed=split_seed,
        report=report or (lambda _: None),
    )


def choose_plan(
    plan: Plan,
    folder: RunFolder,
    method: str,
    alphas: Sequence[float],
    *,
    tuning_share: float,
    split_seed: int,
    report: Callable[[Progress], None],
) -> Choice:
    """Choose on a plan without settings of its own; arguments and errors as for :func:`choose`."""
    check_divisible(plan, tuning_share)
    loaded = loaded_model(plan)
    evidence, windows = None, all_windows(locate(loaded.model).depth)
    if method != "search":
        chosen_on = set(tuning_part(plan.task, plan.items, tuning_share, split_seed))
        items = tuple(item for item in plan.items if item.id in chosen_on)
        evidence = measure(replace(plan, items=items), loaded, method)
        windows = [format_indices(evidence.layers)]
    settings = with_baseline(grid(alphas=alphas, layers=windows))
    swept = replace(plan, model=loaded, settings=settings)
    found = sweep_plan(swept, folder, tuning_share, split_seed, report)
    winner = next((setting for setting in settings if setting.name == found.winner), None)
    return Choice(evidence, found, winner)


def all_windows(depth: int) -> list[str]:
    """Return every run of layers as wide as the paper's at this depth."""
    width = len(scaled_paper_layers(depth))
    return [
        format_indices(tuple(range(start, start + width))) for start in range(depth - width + 1)
    ]


def measure(plan: Plan, loaded: Loaded, method: str) -> Evidence:
    """Measure every layer on the items of ``plan``; errors as for :func:`choose`."""
    scores = []
    for batch, inputs in _inputs(plan, loaded):
        if method == "knockout":
            scores.append(knockout.knockout(loaded.model, inputs))
            continue
        tokenizer = loaded.processor.tokenizer
        answers = [
            tokenizer(expected_reply(plan.template, own.item), add_special_tokens=False).input_ids
            for own in batch
        ]
        scores.append(gradient.gradient(loaded.model, inputs, answers).sum(axis=2))
    if not scores:
        raise DataError("not one item could be prepared: see mata eval for the reasons")
    unit = knockout.UNIT if method == "knockout" else gradient.UNIT
    return make_evidence(method, unit, np.concatenate(scores))


def _inputs(plan: Plan, loaded: Loaded) -> Iterator[tuple[list[Prepared], dict[str, torch.Tensor]]]:
    """Yield batches of one length with their inputs on the model's device; failed items are left.

    They are run, and named, by the sweep that follows.
    """
    model: Any = loaded.model
    preparer = Preparer(
        loaded.processor, plan.template, prompt_style(loaded), plan.options.cut_long_audio
    )
    made = ahead(preparer, plan.items, plan.options.workers, window=16)
    prepared = (item for item in made if isinstance(item, Prepared))
    size = auto_batch(model)
    for batch in batches(prepared, lambda: size, HELD_BYTES):
        yield batch, stacked(batch, model)
