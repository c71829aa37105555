"""The plan of a study: its items, its methods and its settings, checked before weights are read."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mata_audio.errors import DataError, SettingsError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.equal_settings import equal_settings
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.unheard import with_unheard
from mata_audio.evaluation.study.answers import groups_of
from mata_audio.evaluation.study.contenders import Contender, contenders, setting_name
from mata_audio.evaluation.study.fits import read_fit
from mata_audio.evaluation.sweep.sweep import FEWEST_ITEMS, check_divisible
from mata_audio.evaluation.task import Task
from mata_audio.families import Located, locate
from mata_audio.methods import Method
from mata_audio.models.finding import skeleton
from mata_audio.models.loading import Loaded
from mata_audio.models.other_audio import OTHERS
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.settings.in_words import describe_on
from mata_audio.settings.named import NamedSetting, with_baseline


@dataclass(frozen=True)
class Wanted:
    """What a study is asked for, beside model, task and the options of its runs.

    Args:
        choose_on: split to choose on; None for the task's first.
        choose_limit: choose on this many of its items at most, the first ones; needs a split, task
            or data of its own to report on.
        report_on: split to report on; None for the same, of which each half then serves one end.
        report_task: another task to report on; None for the same.
        report_data: its data.
        methods: names of contenders; None for all.
        fits: how to fit, each as :func:`~mata_audio.evaluation.study.fits.read_fit` reads it.
        left_out: keys of groupings whose groups are left out in turn.
        carried: settings that were chosen elsewhere, to be reported as they are.
        split_seed: seed for halving a split.
    """

    choose_on: str | None = None
    choose_limit: int | None = None
    report_on: str | None = None
    report_task: str | Task | None = None
    report_data: str | Path | None = None
    methods: Sequence[str] | None = None
    fits: Sequence[str] = ()
    left_out: Sequence[str] = ()
    carried: Sequence[NamedSetting] = ()
    split_seed: int = 0


@dataclass(frozen=True)
class StudyPlan:
    """A study with every choice made that can be made before it runs.

    Args:
        wanted: what was asked for.
        choosing: the run that settings are chosen by.
        reporting: the run that reports; its settings are not known yet.
        candidates: by contender, the names of its settings in the choosing run.
        published: by contender, the name of its published setting, if it has one.
        how: by contender, where that comes from.
        unfit: settings that this model cannot have, with the reason.
    """

    wanted: Wanted
    choosing: Plan
    reporting: Plan
    candidates: Mapping[str, tuple[str, ...]]
    published: Mapping[str, str]
    how: Mapping[str, str]
    unfit: Mapping[str, str]

    @property
    def located(self) -> Located:
        """Where the model's parts are."""
        return located_of(self.choosing)

    def with_settings(self, settings: Sequence[NamedSetting]) -> Plan:
        """Return the plan of the reporting run, with the no-audio arm if it is wanted."""
        arm = self.reporting.options.unheard
        return replace(
            self.reporting, settings=with_unheard(with_baseline(settings), self.located, arm)
        )


def located_of(plan: Plan) -> Located:
    """Return where the parts of a plan's model are."""
    model = plan.model
    return locate(model.model if isinstance(model, Loaded) else skeleton(model))


def plan_study(
    model: str | Path | Loaded,
    task: str | Task,
    data: str | Path | None,
    wanted: Wanted,
    options: Options,
) -> StudyPlan:
    """Make and check the plan of a study; arguments as for :func:`study`.

    Raises:
        MataError: of the kind that says what is wrong.
    """
    for by in wanted.fits:
        read_fit(by)
    chosen = contenders(wanted.methods)
    first = make_plan(
        model, task, data, (), replace(options, split=wanted.choose_on, unheard=False)
    )
    second = _reporting(first, model, data, wanted, options)
    first = _limited(first, wanted.choose_limit, halved=second is None)
    if second is None:
        ids = set(check_divisible(first, 0.5, wanted.split_seed))
        second = replace(first, items=tuple(i for i in first.items if i.id not in ids))
        first = replace(first, items=tuple(i for i in first.items if i.id in ids))
        second = replace(second, options=replace(second.options, unheard=options.unheard))
    _check_parts(first, second, wanted.left_out)
    located = located_of(first)
    settings, names, unfit = _candidates(chosen, located)
    equal = equal_settings(settings, located)
    kept = [own for own in settings if own.name not in equal]
    if not kept:
        raise SettingsError("no setting fits this model: name other methods")
    return StudyPlan(
        wanted=wanted,
        choosing=replace(first, settings=with_baseline(kept)),
        reporting=second,
        candidates={
            name: tuple(dict.fromkeys(equal.get(own, own) for own in its))
            for name, its in names.items()
        },
        published={
            own.name: equal.get(name, name)
            for own in chosen
            if own.default is not None
            for name in [setting_name(own, own.default)]
            if name not in unfit
        },
        how={own.name: own.how for own in chosen},
        unfit=unfit,
    )


def _limited(first: Plan, limit: int | None, halved: bool) -> Plan:
    """Return the choosing plan with at most so many items; only if it has a split of its own."""
    if limit is None:
        return first
    if halved:
        raise SettingsError(
            "one split serves for choosing and reporting, half its items each: name another to "
            "report on, or limit both with --items"
        )
    if limit < 1:
        raise SettingsError(f"choose_limit must be at least 1; got {limit}")
    return replace(first, items=first.items[:limit])


def _reporting(
    first: Plan, model: Any, data: str | Path | None, wanted: Wanted, options: Options
) -> Plan | None:
    """Return the plan of the reporting items; None if they are a half of the choosing plan's."""
    same_task = wanted.report_task is None
    if same_task and wanted.report_on in (None, first.dataset.split):
        return None
    task = first.task if wanted.report_task is None else wanted.report_task
    where = data if same_task and wanted.report_data is None else wanted.report_data
    own = replace(options, split=wanted.report_on)
    if not same_task:  # these belong to the first task
        own = replace(own, ids=None, where=None)
    return make_plan(model, task, where, (), own)


def _candidates(
    chosen: Sequence[Contender], located: Located
) -> tuple[list[NamedSetting], dict[str, list[str]], dict[str, str]]:
    """Return all settings that fit the model, their names by contender, and what does not fit."""
    settings: list[NamedSetting] = []
    names: dict[str, list[str]] = {}
    unfit: dict[str, str] = {}
    for contender in chosen:
        own = names.setdefault(contender.name, [])
        for method in contender.candidates:
            name = setting_name(contender, method)
            try:
                _check_fits(method, located)
            except SettingsError as error:
                unfit[name] = str(error)
                continue
            own.append(name)
            settings.append(NamedSetting(name, method))
    return settings, names, unfit


def _check_fits(method: Method, located: Located) -> None:
    """Check that a setting can be run on a model in an evaluation.

    Raises:
        SettingsError: it cannot.
    """
    describe_on(method, located)
    for name in method.rule().others:
        if name not in OTHERS:
            raise SettingsError(f"an evaluation cannot make its second prompt ({name})")


def _check_parts(first: Plan, second: Plan, left_out: Sequence[str]) -> None:
    """Check that items can be chosen and reported on, and that none is in both parts.

    Raises:
        SettingsError: too few, or the same items, or groups that cannot be left out.
        DataError: their answers are hidden.
    """
    for plan, what in ((first, "choose"), (second, "report")):
        scored = sum(plan.task.unscored_reason(item) is None for item in plan.items)
        of = f"{plan.task.title} {plan.dataset.split}"
        if not scored:
            raise DataError(f"{of} has no answers to score by, so nothing can {what} on it")
        if scored < FEWEST_ITEMS // 2:
            raise SettingsError(
                f"{scored} items of {of} are too few to {what} on: give at least "
                f"{FEWEST_ITEMS // 2}"
            )
    if first.task.name == second.task.name:
        both = {item.id for item in first.items} & {item.id for item in second.items}
        if both:
            raise SettingsError(
                f"{len(both)} items are to be chosen and reported on, the first is "
                f"{min(both)!r}: give parts that share none"
            )
    for key in left_out:
        _check_left_out(key, first.items, second.items)


def _check_left_out(key: str, choosing: Sequence[Item], reporting: Sequence[Item]) -> None:
    groups, others = groups_of(choosing, key), groups_of(reporting, key)
    if len(groups) < 2 or not set(groups) & set(others):
        known = dict.fromkeys(name for item in choosing for name in item.groups)
        hint = did_you_mean(key, known)
        raise SettingsError(
            f"no group of {key!r} can be left out{hint}: there must be two or more among the "
            f"choosing items ({', '.join(groups) or 'none'}), and the same among the reporting "
            f"items ({', '.join(others) or 'none'}). Groupings: {', '.join(known) or 'none'}"
        )
