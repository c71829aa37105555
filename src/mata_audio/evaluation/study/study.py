"""``study``: choose each method's setting on some items, and report all of them on others."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.running.equal_settings import equal_settings
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.executor import LocalExecutor, loaded_model
from mata_audio.evaluation.running.plan import Options, Plan
from mata_audio.evaluation.running.progress import Progress
from mata_audio.evaluation.running.unheard import unheard
from mata_audio.evaluation.study import timing
from mata_audio.evaluation.study.answers import groups_of
from mata_audio.evaluation.study.compiled import Cost, Reported, compiled
from mata_audio.evaluation.study.contenders import CARRIED, CHOSEN
from mata_audio.evaluation.study.decided import Decided, decide
from mata_audio.evaluation.study.files import check_folder, write_study
from mata_audio.evaluation.study.fits import Fits, fit, seconds_to_fit
from mata_audio.evaluation.study.outcome import Study
from mata_audio.evaluation.study.planned import StudyPlan, Wanted, plan_study
from mata_audio.evaluation.task import Task
from mata_audio.models.loading import Loaded
from mata_audio.settings.in_words import cost
from mata_audio.settings.named import BASELINE, NamedSetting
from mata_audio.storage.run_folder import RunFolder

Report = Callable[[Progress, str], None]
EVERY = "every candidate"
"""Name under which the time of all candidates together is kept."""


def study(
    model: str | Path | Loaded,
    task: str | Task,
    out: str | Path,
    *,
    data: str | Path | None = None,
    report: Report | None = None,
    say: Callable[[str], None] | None = None,
    options: Options | None = None,
    **wanted: Any,
) -> Study:
    """Compare all methods on one model; a stopped study resumes.

    Each method's setting is chosen on one part of the items. The other part, which no choice has
    seen, is run with the published, the chosen and the fitted settings, and reported.

    Args:
        model: as for :func:`mata_audio.evaluation.evaluate`.
        task: as there.
        out: the study's folder, with a run folder for each part.
        data: the benchmark's folder, question file or hub id.
        report: called with the progress and the part's title after every batch.
        say: called with a line now and then, such as how long it will take.
        options: of both runs; ``split`` is ignored, and ``unheard`` left out where it cannot be.
        wanted: fields of :class:`~mata_audio.evaluation.study.planned.Wanted`.

    Raises:
        SettingsError: an unknown method, grouping or way to fit, or too few items.
        RunError: ``out`` holds another study.
        MataError: as for :func:`mata_audio.evaluation.evaluate`.
    """
    plan = plan_study(model, task, data, Wanted(**wanted), options or Options(unheard=True))
    return run_study(plan, Path(out), report or (lambda *_: None), say or (lambda _: None))


def run_study(plan: StudyPlan, out: Path, report: Report, say: Callable[[str], None]) -> Study:
    """Run or resume a planned study; errors as for :func:`study`."""
    check_folder(out)
    plan = _with_possible_arm(plan, say)
    for name, why in plan.unfit.items():
        say(f"not run: {name}: {why}")
    loaded = loaded_model(plan.choosing)
    here = LocalExecutor(loaded)
    times = _Times(plan, loaded, out)
    say(f"{len(plan.choosing.settings) - 1} settings to choose from; {times.estimate()}")
    choosing = run_plan(
        plan.choosing, RunFolder(out / "choosing"), lambda own: report(own, "choosing"), here
    )
    decided = decisions(plan, choosing)
    fits = [
        fit(plan.choosing, loaded, by, plan.wanted.left_out, out / "fits", say)
        for by in plan.wanted.fits
    ]
    rows, settings = reported(plan, decided, fits)
    second = plan.with_settings(settings)
    reporting = run_plan(
        second, RunFolder(out / "reporting"), lambda own: report(own, "reporting"), here
    )
    costs = times.costs(second, {row.name for row in rows})
    found = compiled(choosing, reporting, rows, costs, condition(second))
    write_study(found, out, _tuned_on(plan.choosing))
    return found


def condition(plan: Plan) -> str:
    """Return the key of the grouping whose groups are the conditions: a benchmark's first."""
    return plan.task.groupings[0].key if plan.task.groupings else ""


def decisions(plan: StudyPlan, choosing: Results) -> dict[str, Decided]:
    """Return what is decided for each contender, by the choosing run only."""
    return {
        name: decide(choosing.items, its, condition(plan.choosing), plan.wanted.left_out)
        for name, its in plan.candidates.items()
    }


def reported(
    plan: StudyPlan, decided: Mapping[str, Decided], fits: Sequence[Fits]
) -> tuple[list[Reported], list[NamedSetting]]:
    """Return the table's rows, and the settings that they need, each once."""
    known = {own.name: own for own in plan.choosing.settings}
    rows: list[Reported] = []
    needed: dict[str, NamedSetting] = {}
    for name, its in plan.candidates.items():
        found = decided[name]
        names = list(found.names)
        if name in plan.published:
            names.insert(0, plan.published[name])
            rows.append(Reported(name, plan.how[name], plan.published[name]))
        if len(its) > 1:
            rows.append(Reported(name, CHOSEN, found.name, len(its), found.without))
        needed |= {own: known[own] for own in names}
    for own in fits:
        rows.append(own.row)
        needed |= {setting.name: setting for setting in own.settings}
    for carried in plan.wanted.carried:
        rows.append(Reported(carried.name, CARRIED, carried.name))
        needed.setdefault(carried.name, carried)
    settings = list(needed.values())
    equal = equal_settings(settings, plan.located)
    return (
        [_renamed(row, equal) for row in rows],
        [own for own in settings if own.name not in equal],
    )


def _renamed(row: Reported, equal: Mapping[str, str]) -> Reported:
    def new(name: str | None) -> str | None:
        return name if name is None else equal.get(name, name)

    without = {
        key: {group: new(own) for group, own in by_group.items()}
        for key, by_group in row.without.items()
    }
    return replace(row, name=new(row.name), without=without)


class _Times:
    """Times on this machine, kept in the study's folder: measured once, also if it is resumed."""

    def __init__(self, plan: StudyPlan, loaded: Loaded, out: Path) -> None:
        identity = [plan.choosing.identity(), plan.reporting.identity()]
        text = json.dumps(identity, sort_keys=True, default=str)
        self._made_from = {"plan": hashlib.sha256(text.encode()).hexdigest()}
        self._plan, self._loaded, self._out = plan, loaded, out
        self._known = timing.load_timing(out, self._made_from) or {}

    def estimate(self) -> timing.Estimate:
        """Return about how long the study takes."""
        plan = self._plan
        settings = plan.choosing.settings
        if EVERY not in self._known:
            watch = timing.Stopwatch(plan.choosing, self._loaded)
            self._add({BASELINE: watch.seconds(settings[:1]), EVERY: watch.seconds(settings)})
        untimed = [by for by in plan.wanted.fits if _fit(by) not in self._known]
        self._add({_fit(by): seconds_to_fit(plan.choosing, self._loaded, by) for by in untimed})
        base, every = self._known[BASELINE], self._known[EVERY]
        one = max(every - base, 0) / (len(settings) - 1)
        groups = [len(groups_of(plan.choosing.items, key)) for key in plan.wanted.left_out]
        rows = len(plan.published) + len(plan.wanted.carried)
        rows += (len(plan.candidates) + len(plan.wanted.fits)) * (1 + sum(groups))
        arm = base if plan.reporting.options.unheard else 0
        # A fit without one of n groups has (n - 1) / n of the items, and there are n such fits.
        fits = sum(self._known[_fit(by)] for by in plan.wanted.fits)
        return timing.Estimate(
            choosing=every * len(plan.choosing.items),
            fitting=fits * (1 + sum(own - 1 for own in groups)),
            reporting=(base + arm + rows * one) * len(plan.reporting.items),
        )

    def costs(self, plan: Plan, names: set[str | None]) -> dict[str, Cost]:
        """Return the costs of the baseline and of the reported settings."""
        wanted = [own for own in plan.settings if own.method is None or own.name in names]
        untimed = [own for own in wanted if own.name not in self._known]
        if untimed:
            watch = timing.Stopwatch(plan, self._loaded)
            self._add({own.name: watch.seconds([own]) for own in untimed})
        return {own.name: _cost(own, self._known[own.name]) for own in wanted}

    def _add(self, seconds: Mapping[str, float]) -> None:
        rounded = {name: float(f"{own:.3g}") for name, own in seconds.items()}
        self._known = {**self._known, **rounded}
        self._out.mkdir(parents=True, exist_ok=True)
        timing.save_timing(self._out, self._known, self._made_from)


def _fit(by: str) -> str:
    """Return the name under which the time of a fit is kept."""
    return f"a fit by {by}"


def _cost(setting: NamedSetting, seconds: float) -> Cost:
    return Cost("" if setting.method is None else cost(setting.method), seconds)


def _with_possible_arm(plan: StudyPlan, say: Callable[[str], None]) -> StudyPlan:
    """Return the plan without the no-audio arm if the model cannot have it."""
    if not plan.reporting.options.unheard:
        return plan
    try:
        unheard(plan.located)
    except SettingsError as error:
        say(f"without the no-audio arm: {error}")
        options = replace(plan.reporting.options, unheard=False)
        return replace(plan, reporting=replace(plan.reporting, options=options))
    return plan


def _tuned_on(plan: Plan) -> dict[str, Any]:
    return {
        "task": plan.task.name,
        "split": plan.dataset.split,
        "files": dict(plan.dataset.files),
        "ids": [item.id for item in plan.items],
        "how": {"method": "study", "settings": len(plan.settings) - 1},
    }
