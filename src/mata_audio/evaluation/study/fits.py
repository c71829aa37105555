"""Fitted settings of a study: on all choosing items, and on those outside each group."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import torch

from mata_audio.errors import SettingsError
from mata_audio.evaluation.choosing.cost import Sample, cost
from mata_audio.evaluation.choosing.descent import Prompts, one_step
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.evidence_file import load_evidence, save_evidence
from mata_audio.evaluation.choosing.fitting import Fitting, read_keep, read_kinds
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.choosing.prefilled import prefill_prompts
from mata_audio.evaluation.choosing.tune import measure
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.identity import model_identity
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.study.answers import groups_of
from mata_audio.evaluation.study.compiled import Reported
from mata_audio.evaluation.study.contenders import FITTED
from mata_audio.models.loading import Loaded
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.settings.named import NamedSetting
from mata_audio.storage.file_names import file_stems

TIMED = 64
"""Items of which the largest batch is timed."""


@dataclass(frozen=True)
class Fits:
    """Settings of one way to fit.

    Args:
        row: the row of the table, with the settings' names.
        settings: the settings that change anything.
    """

    row: Reported
    settings: tuple[NamedSetting, ...]


def read_fit(text: str) -> Fitting:
    """Read how to fit, such as ``mass`` or ``mass:audio,add:text; shape=per-layer; contrast``.

    The kinds come first, then fields of :class:`~mata_audio.evaluation.choosing.fitting.Fitting`.

    Raises:
        SettingsError: a kind, field or value that does not exist.
    """
    kinds, *given = [part.strip() for part in text.split(";")]
    found: dict[str, Any] = {"kinds": read_kinds(kinds)}
    keep: list[str] = []
    types = {own.name: str(own.type) for own in fields(Fitting) if own.name != "kinds"}
    for part in given:
        name, equals, value = part.partition("=")
        if name not in types:
            hint = did_you_mean(name, types)
            raise SettingsError(
                f"cannot read {part!r} of the fit {text!r}{hint}: write KINDS; FIELD=VALUE; ..., "
                f"with fields out of {', '.join(types)}"
            )
        if name == "keep":
            keep.append(value)
            continue
        try:
            found[name] = (
                True if types[name] == "bool" and not equals else _READ[types[name]](value)
            )
        except (ValueError, KeyError):
            raise SettingsError(f"{name} of the fit {text!r} cannot be {value!r}") from None
    return Fitting(**found, keep=read_keep(keep))


_READ: dict[str, Callable[[str], Any]] = {
    "int": int,
    "float": float,
    "str": str,
    "bool": {"true": True, "false": False}.__getitem__,
}


def fit(
    plan: Plan,
    loaded: Loaded,
    by: str,
    left_out: Sequence[str],
    folder: Path,
    say: Callable[[str], None],
) -> Fits:
    """Fit on the plan's items, and on those outside each group, or read what was fitted before.

    Args:
        plan: with the choosing items only.
        loaded: its model.
        by: how to fit, see :func:`read_fit`.
        left_out: keys of groupings whose groups are left out in turn.
        folder: for the fits; each has a folder of its own there.
        say: called with what a fit will need.

    Raises:
        RunError: a stored fit cannot be used.
        MataError: as the way to fit does.
    """
    parts: dict[tuple[str, str], tuple[Item, ...]] = {("", ""): plan.items}
    for key in left_out:
        for group in groups_of(plan.items, key):
            parts[key, group] = tuple(i for i in plan.items if i.groups.get(key, group) != group)
    names = {at: f"fitted by {by}" + (f" without {at[1]}" if at[0] else "") for at in parts}
    stems = file_stems(f"{by} {' '.join(at)}" for at in parts)
    settings: list[NamedSetting] = []
    without: dict[str, dict[str, str | None]] = {key: {} for key in left_out}
    found_on_all = None
    for at, items in parts.items():
        part = Measuring(replace(plan, items=items), loaded, say=say)
        evidence = _evidence(part, read_fit(by), folder / stems[f"{by} {' '.join(at)}"])
        name = names[at] if evidence.found else None
        if name is not None:
            settings.append(NamedSetting(name, evidence.setting))
        if at[0]:
            without[at[0]][at[1]] = name
        else:
            found_on_all = name
    return Fits(Reported(by, FITTED, found_on_all, without=without), tuple(settings))


def seconds_to_fit(plan: Plan, loaded: Loaded, by: str) -> float:
    """Return how long one fit takes at most, from the largest batch of some of the plan's items."""
    fitting = replace(read_fit(by), keep=())
    measuring = Measuring(replace(plan, items=plan.items[:TIMED]), loaded)
    model, tokenizer = loaded.model, loaded.processor.tokenizer
    batch = max(measuring.batches(), key=lambda own: len(own.items))
    answers = measuring.answers(batch.items)
    start = time.perf_counter()
    read = prefill_prompts(model, batch.inputs, answers)
    reading = time.perf_counter() - start
    prompts = Prompts(read, torch.zeros(0, len(answers), dtype=torch.bool))
    one_step(model, prompts, fitting, tokenizer)  # the first is slower
    start = time.perf_counter()
    one_step(model, prompts, fitting, tokenizer)
    step = time.perf_counter() - start
    n = len(answers)
    sample = Sample(kept_bytes=read.cache_bytes / n, reading=reading / n, step=step / n)
    needed = cost(sample, fitting, len(plan.items))
    return needed.reading + needed.fitting


def _evidence(measuring: Measuring, fitting: Fitting, folder: Path) -> Evidence:
    plan = measuring.plan
    identity = model_identity(plan, measuring.loaded)
    made_from = {
        **{key: own for key, own in plan.identity().items() if key != "settings"},
        **identity,
        "fitting": fitting.as_data(),
        "ids": [item.id for item in plan.items],
    }
    stored = load_evidence(folder, made_from)
    if stored is not None:
        return stored
    evidence = measure(replace(measuring, weights=identity["weights"]), fitting)
    save_evidence(evidence, folder, made_from)
    return evidence
