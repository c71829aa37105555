"""``choose``: choose layers by measurement, then alpha, and report on other items."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError, SettingsError
from mata_audio.evaluation.choosing import gradient, imbalance, knockout, tune
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.evidence_file import how_chosen, load_evidence, save_evidence
from mata_audio.evaluation.choosing.fitted_setting import scaled
from mata_audio.evaluation.choosing.fitting import Fitting
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.evaluation.results.ranking import Sweep
from mata_audio.evaluation.results.verdict import nothing_found, verdict
from mata_audio.evaluation.running.evaluate import loaded_model
from mata_audio.evaluation.running.identity import model_identity
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.runner import Progress
from mata_audio.evaluation.sweep.grid import distinct, grid
from mata_audio.evaluation.sweep.sweep import check_divisible, sweep_plan, tuning_part
from mata_audio.evaluation.task import Task
from mata_audio.families import locate
from mata_audio.methods.changes import Changes
from mata_audio.methods.method import Method as Setting
from mata_audio.models.loading import Loaded
from mata_audio.notation.layers import format_indices, scaled_paper_layers
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.storage.run_folder import RunFolder

TUNE = "tune"

ALPHAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Method:
    """A way to choose layers, or gains.

    Args:
        summary: what it chooses, in words.
        measure: from :class:`Measuring` to the evidence; None for the search, which measures no
            layer.
        alphas: the strengths to try unless others are given.
    """

    summary: str
    measure: Callable[..., Evidence] | None
    alphas: tuple[float, ...] = ALPHAS


METHODS = {
    "knockout": Method(
        "layers where the answer moves most when audio cannot be heard", knockout.measure
    ),
    "profile": Method("layers where words get most attention, and audio least", imbalance.measure),
    "gradient": Method(
        "layers where more attention to audio makes the right answer likelier",
        gradient.measure,
    ),
    "gradient-heads": Method("heads, in any layer, where it does", gradient.measure_heads),
    TUNE: Method(
        "fitted gains, of the attention mass unless said otherwise", tune.measure, alphas=(0.5, 1.0)
    ),
    "search": Method("every window of layers, in a sweep: the yardstick", None),
}
"""The ways to choose layers, by name. To add one, write a file here and add a row."""


@dataclass(frozen=True)
class Choice:
    """Chosen layers, their evidence and their results.

    Args:
        evidence: measured on the tuning part; None for the search, which measures no layer.
        sweep: alphas for the chosen layers, or all windows for the search; ranked on the tuning
            part, reported on the rest. None if every fitted gain is zero: there is nothing to run.
        setting: the best setting on the tuning part, whether or not ``sweep.recommended``; None if
            nothing was found there.
    """

    evidence: Evidence | None
    sweep: Sweep | None
    setting: NamedSetting | None

    @property
    def verdict(self) -> str:
        """The winner's result on the rest, or that nothing was found, with what n could show."""
        if self.sweep is not None:
            return verdict(self.sweep)
        assert self.evidence is not None
        return nothing_found(self.evidence.items)


def choose(
    model: str | Path | Loaded,
    task: str | Task,
    out: str | Path,
    method: str = "knockout",
    *,
    data: str | Path | None = None,
    alphas: Sequence[float] | None = None,
    tuning_share: float = 0.5,
    split_seed: int = 0,
    fitting: Fitting | None = None,
    report: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
    **options: Any,
) -> Choice:
    """Choose layers, then alpha, on one part of the items, and report on the rest.

    Args:
        model: as for :func:`mata_audio.evaluation.evaluate`.
        task: as for :func:`mata_audio.evaluation.evaluate`.
        out: the run's folder; if the chosen setting is better than the baseline on the rest too,
            it is saved there as ``winner.json``.
        method: one of :data:`METHODS`.
        data: the benchmark's folder, question file or hub id.
        alphas: the strengths to try; None for the method's default.
        tuning_share: share of the items that layers and alpha are chosen on.
        split_seed: seed for dividing the items.
        fitting: how ``tune`` fits; None for its default.
        report: called with the progress after every batch of the final sweep.
        say: called with what ``tune`` will need, before it starts.
        options: fields of :class:`mata_audio.evaluation.Options`.

    Raises:
        SettingsError: no such method, or too few items.
        DataError: the method needs right answers, and the split hides them.
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
        fitting=fitting,
        report=report or (lambda _: None),
        say=say or (lambda _: None),
    )


def choose_plan(
    plan: Plan,
    folder: RunFolder,
    method: str,
    alphas: Sequence[float] | None = None,
    *,
    tuning_share: float,
    split_seed: int,
    report: Callable[[Progress], None],
    fitting: Fitting | None = None,
    say: Callable[[str], None] = lambda _: None,
) -> Choice:
    """Choose on a plan that has no settings, but may have a no-audio arm.

    Arguments and errors as for :func:`choose`.
    """
    if fitting is not None and method != TUNE:
        raise SettingsError(f"only {TUNE} fits anything: leave out how {method} is to fit")
    check_divisible(plan, tuning_share, split_seed)
    folder.check_ours()
    tried = METHODS[method].alphas if alphas is None else tuple(alphas)
    loaded, evidence = loaded_model(plan), None
    if METHODS[method].measure is None:
        settings = grid(alphas=tried, layers=all_windows(locate(loaded.model).depth))
    else:
        measured = tuning_plan(plan, tuning_share, split_seed)
        measuring = Measuring(measured, loaded, say=say)
        evidence = _evidence(measuring, method, folder, fitting)
        if not evidence.found:
            return Choice(evidence, None, None)
        settings = along(evidence.setting, tried)
    swept = replace(plan, settings=with_baseline([*settings, *plan.settings[1:]]))
    how = {"method": method} if evidence is None else how_chosen(evidence)
    found = sweep_plan(swept, folder, tuning_share, split_seed, report, how, loaded)
    winner = next((setting for setting in settings if setting.name == found.winner), None)
    return Choice(evidence, found, winner)


def tuning_plan(plan: Plan, share: float, seed: int) -> Plan:
    """Return the plan with only the items of the tuning part."""
    chosen_on = set(tuning_part(plan.task, plan.items, share, seed))
    return replace(plan, items=tuple(item for item in plan.items if item.id in chosen_on))


def along(setting: Setting, alphas: Sequence[float]) -> list[NamedSetting]:
    """Return the setting at each strength: 0.5 is half of what was chosen at alpha 1.

    Raises:
        SettingsError: there is no alpha, or one is not allowed.
    """
    if not alphas:
        raise SettingsError("the grid is empty: give at least one of alphas")
    found = []
    for alpha in alphas:
        own = scaled(setting, alpha)
        several = isinstance(own, Changes)  # whose own name would tell of each of them
        found.append(NamedSetting(f"changes, alpha {alpha:g}" if several else short_name(own), own))
    return distinct(found)


def all_windows(depth: int) -> list[str]:
    """Return every window of layers as wide as the paper's, scaled to this depth."""
    width = len(scaled_paper_layers(depth))
    return [
        format_indices(tuple(range(start, start + width))) for start in range(depth - width + 1)
    ]


def _evidence(
    measuring: Measuring, method: str, folder: RunFolder, fitting: Fitting | None
) -> Evidence:
    """Return the method's evidence, from this folder if it was measured before.

    Raises:
        RunError: nothing was found, but the folder holds a run from when something was.
    """
    measure = METHODS[method].measure
    assert measure is not None
    identity = {
        **{k: v for k, v in measuring.plan.identity().items() if k != "settings"},
        **model_identity(measuring.plan, measuring.loaded),
    }
    if folder.manifest_path.exists():  # refuse before anything is measured
        folder.check_identity({**folder.manifest()["identity"], **identity})
    made_from = {
        **identity,
        "method": method,
        "ids": [item.id for item in measuring.plan.items],
    }
    measuring = replace(measuring, weights=identity["weights"])
    if method == TUNE:
        made_from["fitting"] = (fitting or Fitting()).as_data()
        measure = measure if fitting is None else partial(measure, fitting=fitting)
    stored = load_evidence(folder.path, made_from)
    if stored is not None:
        return stored
    evidence = measure(measuring)
    if not evidence.found and folder.manifest_path.exists():
        raise RunError(
            f"{folder.path} holds the run of an earlier choice, and this one finds nothing to run: "
            "give another folder for --out"
        )
    save_evidence(evidence, folder.path, made_from)
    return evidence
