"""``reproduce``: run the paper's tables for which there are models and data."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from mata_audio.errors import (
    DataError,
    MataError,
    ModelLoadError,
    SettingsError,
    UnsupportedModelError,
)
from mata_audio.evaluation.reproduction.checks import (
    Missing,
    TableCheck,
    check_tables,
    missing_data,
    missing_model,
)
from mata_audio.evaluation.reproduction.paper import PaperTable
from mata_audio.evaluation.results.output_files import prediction_paths
from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.running.equal_settings import equal_settings
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.progress import Progress
from mata_audio.evaluation.scoring.readers import check_reader
from mata_audio.evaluation.templates.template import load_template
from mata_audio.families import Located, locate
from mata_audio.models.finding import find_model, skeleton
from mata_audio.models.loading import load_processor
from mata_audio.shown.one_line import OneLine
from mata_audio.storage.run_folder import RunFolder

Report = Callable[[PaperTable, Progress], None]


@dataclass(frozen=True)
class Measured(OneLine):
    """A table of the paper that was run.

    Args:
        table: the table, with the paper's figures.
        folder: the run's folder.
        results: the measured results.
        submissions: prediction files by setting name, if the benchmark hides its answers.
        equal: names of settings that were not run, because on this model they are the setting
            named with them.
    """

    table: PaperTable
    folder: Path
    results: Results
    submissions: Mapping[str, Path]
    equal: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class PlannedTable(OneLine):
    """A table of the paper that can be run; ``folder`` and ``equal`` as of :class:`Measured`."""

    table: PaperTable
    folder: Path
    plan: Plan
    equal: Mapping[str, str]


@dataclass(frozen=True)
class FailedTable(OneLine):
    """A table whose run could not be started or finished."""

    table: PaperTable
    folder: Path
    reason: str


@dataclass(frozen=True)
class Reproduction(OneLine):
    """The outcome of every selected table.

    Args:
        tables: all selected tables, in the paper's order.
        measured: tables that were run.
        missing: tables that were not run, once for the model and once for the data.
        failed: tables whose run failed.
    """

    tables: tuple[PaperTable, ...]
    measured: tuple[Measured, ...]
    missing: tuple[Missing, ...]
    failed: tuple[FailedTable, ...]


def reproduce(
    out: str | Path,
    data: Mapping[str, str | Path],
    models: Mapping[str, str | Path] | None = None,
    *,
    only: Collection[str] | None = None,
    ablations: bool = True,
    report: Report | None = None,
    checks: Sequence[TableCheck] | None = None,
    **options: Any,
) -> Reproduction:
    """Run the paper's tables, each in a separate folder; to resume, make the same call again.

    Args:
        out: folder for the run folders.
        data: folder or hub id by task (``"mmau"``, ``"mmar"``), or by task and split
            (``"mmau-test-mini"``); in the latter case also a question file.
        models: folder or hub id by key of ``MODELS`` in ``paper.py``; all others come from the hub.
        only: keys of the models to run; None for all.
        ablations: also run the layers and alphas that the paper compares.
        report: called with a table and its progress when its run starts and after every batch.
        checks: what :func:`check_tables` found for the same arguments; None to check now.
        options: fields of :class:`mata_audio.evaluation.Options`, except ``split`` and ``ids``.

    Returns:
        The measured tables, the missing ones with the reason, and the failed ones.

    Raises:
        SettingsError: an unknown key, or an option that is not allowed.
        TemplateError: there is no such prompt template or reader.
    """
    common = common_options(options)
    if checks is None:
        checks = check_tables(out, data, models or {}, only, common.limit)
    planned, missing = plan_tables(Path(out), checks, common, ablations)
    done = [_run(each, report) for each in planned]
    return Reproduction(
        tuple(check.table for check in checks),
        measured=tuple(each for each in done if isinstance(each, Measured)),
        missing=(*missing, *(each for each in done if isinstance(each, Missing))),
        failed=tuple(each for each in done if isinstance(each, FailedTable)),
    )


def common_options(options: Mapping[str, Any]) -> Options:
    """Return the options that all tables share.

    Raises:
        SettingsError: one that is not allowed.
        TemplateError: there is no such prompt template or reader.
    """
    for name in ("split", "ids", "where"):
        if name in options:
            raise SettingsError(f"{name} cannot be chosen here: each table of the paper fixes it")
    common = Options(**options)
    if common.template is not None:
        load_template(common.template)
    if common.reader is not None:
        check_reader(common.reader)
    return common


def plan_tables(
    out: Path, checks: Sequence[TableCheck], common: Options, ablations: bool = True
) -> tuple[list[PlannedTable], list[Missing]]:
    """Return the plans of the tables that can be run, and what the others lack.

    Args:
        out: folder for the run folders.
        checks: from :func:`check_tables`.
        common: from :func:`common_options`.
        ablations: also plan the layers and alphas that the paper compares.
    """
    sources = {c.table.model.key: c.source for c in checks if not c.missing}
    models = {key: _model(source, common) for key, source in sources.items()}
    planned: list[PlannedTable] = []
    missing: list[Missing] = []
    for check in checks:
        table, missing_now = check.table, list(check.missing)
        model = models.get(table.model.key)
        if isinstance(model, str) and not missing_now:
            missing_now.append(missing_model(table, model))
        missing += missing_now
        if missing_now or model is None or isinstance(model, str):
            continue
        settings = table.settings(model.depth, ablations)
        equal = equal_settings(settings, model)
        wanted = [setting for setting in settings if setting.name not in equal]
        mine = replace(common, split=table.split, template=common.template or table.model.template)
        try:
            plan = make_plan(check.source, table.task, check.data, wanted, mine)
        except DataError as error:
            missing.append(missing_data(table, str(error)))
        else:
            planned.append(PlannedTable(table, out / table.key, plan, equal))
    return planned, missing


def _run(planned: PlannedTable, report: Report | None) -> Measured | Missing | FailedTable:
    table, folder, plan = planned.table, planned.folder, planned.plan

    def show(progress: Progress) -> None:
        if report is not None:
            report(table, progress)

    show(Progress(len(plan.items)))
    try:
        results = run_plan(plan, RunFolder(folder), show)
    except SettingsError:  # wrong use: the other tables would fail in the same way
        raise
    except ModelLoadError as error:
        return missing_model(table, str(error))
    except MataError as error:
        return FailedTable(table, folder, str(error))
    finally:
        gc.collect()  # frees this model's memory for the next one
    if not any(item.answers for item in results.items):
        first = next((item.error for item in results.items), "there were no items")
        return FailedTable(table, folder, f"no item has an answer; the first error: {first}")
    hidden = all(item.answer is None for item in plan.dataset.items)
    files = prediction_paths(folder, [setting.name for setting in plan.settings], plan.task)
    return Measured(table, folder, results, files if hidden else {}, planned.equal)


def _model(source: str | Path, options: Options) -> Located | str:
    """Return where a model's decoder is, or why the model cannot be used."""
    try:
        found = find_model(source, trust_remote_code=options.trust_remote_code)
        load_processor(found)  # fails now, rather than after hours, if a small file is missing
        return locate(skeleton(found, options.attn_implementation))
    except (ModelLoadError, UnsupportedModelError) as error:
        return str(error)
