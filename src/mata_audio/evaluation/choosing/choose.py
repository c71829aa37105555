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
from mata_audio.evaluation.running.executor import Executor, LocalExecutor, loaded_model
from mata_audio.evaluation.running.identity import model_identity
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.progress import Progress
from mata_audio.evaluation.sweep.grid import distinct
from mata_audio.evaluation.sweep.sweep import check_divisible, sweep_plan, tuning_part
from mata_audio.evaluation.task import Task
from mata_audio.families import locate
from mata_audio.methods import METHODS
from mata_audio.methods.changes import Changes
from mata_audio.methods.mata import MATA
from mata_audio.methods.method import Method, method_named
from mata_audio.methods.one_change import OneChange
from mata_audio.models.loading import Loaded
from mata_audio.notation.layers import format_indices, scaled_paper_layers
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import NamedSetting, with_baseline
from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine
from mata_audio.storage.run_folder import RunFolder

TUNE = "tune"

ALPHAS = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0)


@dataclass(frozen=True)
class Way:
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


WAYS = {
    "knockout": Way(
        "layers where the answer moves most when audio cannot be heard", knockout.measure
    ),
    "profile": Way("layers where words get most attention, and audio least", imbalance.measure),
    "gradient": Way(
        "layers where more attention to audio makes the right answer likelier",
        gradient.measure,
    ),
    "gradient-heads": Way("heads, in any layer, where it does", gradient.measure_heads),
    TUNE: Way(
        "fitted gains, of the attention mass unless said otherwise", tune.measure, alphas=(0.5, 1.0)
    ),
    "search": Way("every window of layers, in a sweep: the yardstick", None),
}
"""The ways to choose layers, by name. To add one, write a file here and add a row."""


@dataclass(frozen=True)
class Choice(OneLine, InHtml):
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
    by: str = "knockout",
    *,
    method: str | OneChange | None = None,
    data: str | Path | None = None,
    alphas: Sequence[float] | None = None,
    tuning_share: float = 0.5,
    split_seed: int = 0,
    fitting: Fitting | None = None,
    report: Callable[[Progress], None] | None = None,
    say: Callable[[str], None] | None = None,
    executor: Executor | None = None,
    **options: Any,
) -> Choice:
    """Choose layers, then alpha, on one part of the items, and report on the rest.

    Args:
        model: as for :func:`mata_audio.evaluation.evaluate`.
        task: as for :func:`mata_audio.evaluation.evaluate`.
        out: the run's folder; if the chosen setting is better than the baseline on the rest too,
            it is saved there as ``winner.json``.
        by: one of :data:`WAYS`.
        method: the method whose layers and alpha are chosen, by name or with its other fields:
            one with layers. None for MATA; ``tune`` makes its own.
        data: the benchmark's folder, question file or hub id.
        alphas: the strengths to try; None for the default of the way.
        tuning_share: share of the items that layers and alpha are chosen on.
        split_seed: seed for dividing the items.
        fitting: how ``tune`` fits; None for its default.
        report: called with the progress after every batch of the final sweep.
        say: called with what ``tune`` will need, before it starts.
        executor: where the final sweep is run, as for :func:`mata_audio.evaluation.evaluate`;
            layers are always measured in this process.
        options: fields of :class:`mata_audio.evaluation.Options`.

    Raises:
        SettingsError: no such way or method, or too few items.
        DataError: the way needs right answers, and the split hides them.
        MataError: as for :func:`mata_audio.evaluation.evaluate`.
    """
    if by not in WAYS:
        raise SettingsError(f"no way to choose {by!r}; allowed: {', '.join(WAYS)}")
    plan = make_plan(model, task, data, (), Options(**options))
    return choose_plan(
        plan,
        RunFolder(out),
        by,
        alphas,
        method=method,
        tuning_share=tuning_share,
        split_seed=split_seed,
        fitting=fitting,
        report=report or (lambda _: None),
        say=say or (lambda _: None),
        executor=executor,
    )


def choose_plan(
    plan: Plan,
    folder: RunFolder,
    by: str,
    alphas: Sequence[float] | None = None,
    *,
    method: str | OneChange | None = None,
    tuning_share: float,
    split_seed: int,
    report: Callable[[Progress], None],
    fitting: Fitting | None = None,
    say: Callable[[str], None] = lambda _: None,
    executor: Executor | None = None,
) -> Choice:
    """Choose on a plan that has no settings, but may have a no-audio arm.

    Arguments and errors as for :func:`choose`.
    """
    if fitting is not None and by != TUNE:
        raise SettingsError(f"only {TUNE} fits anything: leave out how {by} is to fit")
    base = _method_of(method, by)
    check_divisible(plan, tuning_share, split_seed)
    folder.check_ours()
    tried = WAYS[by].alphas if alphas is None else tuple(alphas)
    loaded, evidence = loaded_model(plan), None
    if WAYS[by].measure is None:
        windows = all_windows(locate(loaded.model).depth)
        settings = [one for own in windows for one in along(replace(base, layers=own), tried)]
    else:
        measured = tuning_plan(plan, tuning_share, split_seed)
        evidence = _evidence(Measuring(measured, loaded, base, say=say), by, folder, fitting)
        if not evidence.found:
            return Choice(evidence, None, None)
        settings = along(evidence.setting, tried)
    swept = replace(plan, settings=with_baseline([*settings, *plan.settings[1:]]))
    how = {"by": by} if evidence is None else how_chosen(evidence)
    executor = executor or LocalExecutor(loaded)
    del loaded  # other executors load their own, perhaps on the same GPU
    found = sweep_plan(swept, folder, tuning_share, split_seed, report, how, executor)
    winner = next((setting for setting in settings if setting.name == found.winner), None)
    return Choice(evidence, found, winner)


def _method_of(method: str | OneChange | None, by: str) -> OneChange:
    """Return the method whose layers are chosen.

    Raises:
        SettingsError: it has no layers to choose, or the way makes its own.
    """
    if method is not None and by == TUNE:
        raise SettingsError(
            f"{TUNE} fits gains of what its kinds say: leave out the method, and give kinds"
        )
    if method is None:
        return MATA()
    cls = method_named(method) if isinstance(method, str) else type(method)
    if not issubclass(cls, OneChange):
        having = [name for name, own in METHODS.items() if issubclass(own, OneChange)]
        raise SettingsError(
            f"{cls.name} has no layers that could be chosen; these have: {', '.join(having)}"
        )
    return cls() if isinstance(method, str) else method


def _chosen_for(method: OneChange, chosen: Method) -> OneChange:
    """Return the method with the layers, heads or gains that were chosen, at alpha 1."""
    assert isinstance(chosen, OneChange)
    places = {name: getattr(chosen, name) for name in ("layers", "heads", "gains")}
    return replace(method, alpha=1.0, **places)


def tuning_plan(plan: Plan, share: float, seed: int) -> Plan:
    """Return the plan with only the items of the tuning part."""
    chosen_on = set(tuning_part(plan.task, plan.items, share, seed))
    return replace(plan, items=tuple(item for item in plan.items if item.id in chosen_on))


def along(setting: Method, alphas: Sequence[float]) -> list[NamedSetting]:
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
    measuring: Measuring, by: str, folder: RunFolder, fitting: Fitting | None
) -> Evidence:
    """Return the evidence by a way, from this folder if it was measured before.

    Raises:
        RunError: nothing was found, but the folder holds a run from when something was.
    """
    measure = WAYS[by].measure
    assert measure is not None
    identity = {
        **{k: v for k, v in measuring.plan.identity().items() if k != "settings"},
        **model_identity(measuring.plan, measuring.loaded),
    }
    if folder.manifest_path.exists():  # refuse before anything is measured
        folder.check_identity({**folder.manifest()["identity"], **identity})
    made_from = {
        **identity,
        "by": by,
        "method": measuring.method.as_data(),
        "ids": [item.id for item in measuring.plan.items],
    }
    measuring = replace(measuring, weights=identity["weights"])
    if by == TUNE:
        made_from["fitting"] = (fitting or Fitting()).as_data()
        measure = measure if fitting is None else partial(measure, fitting=fitting)
    stored = load_evidence(folder.path, made_from)
    if stored is not None:
        return stored
    evidence = measure(measuring)
    if by != TUNE:
        evidence = replace(evidence, setting=_chosen_for(measuring.method, evidence.setting))
    if not evidence.found and folder.manifest_path.exists():
        raise RunError(
            f"{folder.path} holds the run of an earlier choice, and this one finds nothing to run: "
            "give another folder for --out"
        )
    save_evidence(evidence, folder.path, made_from)
    return evidence
