"""``reproduce``: run the paper's tables for which there are models and data."""

from __future__ import annotations

import gc
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mata_audio.errors import (
    DataError,
    MataError,
    ModelLoadError,
    SettingsError,
    UnsupportedModelError,
)
from mata_audio.evaluation.reproduction.paper import DATA_ADVICE, MODELS, TABLES, PaperTable
from mata_audio.evaluation.results.output_files import prediction_paths
from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.evaluation.running.runner import Progress
from mata_audio.evaluation.scoring.readers import check_reader
from mata_audio.evaluation.templates.template import load_template
from mata_audio.families import locate
from mata_audio.models.finding import find_model, skeleton
from mata_audio.models.loading import load_processor
from mata_audio.storage.run_folder import RunFolder

Report = Callable[[PaperTable, Progress], None]


@dataclass(frozen=True)
class Measured:
    """A table of the paper that was run.

    Args:
        table: the table, with the paper's figures.
        folder: the run's folder.
        results: the measured results.
        submissions: prediction files by setting name, if the benchmark hides its answers.
    """

    table: PaperTable
    folder: Path
    results: Results
    submissions: Mapping[str, Path]


@dataclass(frozen=True)
class Missing:
    """A table that was not run because its model or its data is missing.

    Args:
        table: the table.
        what: ``"model"`` or ``"data"``.
        name: key of the model or of the data.
        reason: what is wrong.
        advice: how to get it.
    """

    table: PaperTable
    what: str
    name: str
    reason: str
    advice: str


@dataclass(frozen=True)
class FailedTable:
    """A table whose run could not be started or finished."""

    table: PaperTable
    folder: Path
    reason: str


@dataclass(frozen=True)
class Reproduction:
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
        options: fields of :class:`mata_audio.evaluation.Options`, except ``split`` and ``ids``.

    Returns:
        The measured tables, the missing ones with the reason, and the failed ones.

    Raises:
        SettingsError: an unknown key, or an option that is not allowed.
        TemplateError: there is no such prompt template or reader.
    """
    given = {} if models is None else dict(models)
    _check_arguments(data, given, only, options)
    common = Options(**options)
    if common.template is not None:
        load_template(common.template)
    if common.reader is not None:
        check_reader(common.reader)
    tables = tuple(table for table in TABLES if only is None or table.model.key in only)
    sources = {key: given.get(key, model.hub) for key, model in MODELS.items()}
    depths = {
        key: _depth(sources[key], common)
        for key in dict.fromkeys(table.model.key for table in tables)
    }
    plans: list[tuple[PaperTable, Plan]] = []
    missing: list[Missing] = []
    for table in tables:
        depth = depths[table.model.key]
        where = data.get(f"{table.task}-{table.split}", data.get(table.task))
        if isinstance(depth, str):
            missing.append(_missing_model(table, depth))
        if where is None:
            missing.append(_missing_data(table, "no data given"))
        if isinstance(depth, str) or where is None:
            continue
        mine = replace(common, split=table.split, template=common.template or table.model.template)
        wanted = table.settings(depth, ablations)
        try:
            plan = make_plan(sources[table.model.key], table.task, where, wanted, mine)
        except DataError as error:
            missing.append(_missing_data(table, str(error)))
        else:
            plans.append((table, plan))
    done = [_run(table, plan, Path(out), report) for table, plan in plans]
    return Reproduction(
        tables,
        measured=tuple(each for each in done if isinstance(each, Measured)),
        missing=(*missing, *(each for each in done if isinstance(each, Missing))),
        failed=tuple(each for each in done if isinstance(each, FailedTable)),
    )


def data_keys() -> list[str]:
    """Return the allowed keys of ``data``: tasks, and tasks with a split."""
    splits = _splits()
    return [*splits, *(f"{task}-{split}" for task in splits for split in splits[task])]


def _splits() -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for table in TABLES:
        if table.split not in splits.setdefault(table.task, []):
            splits[table.task].append(table.split)
    return splits


def _run(
    table: PaperTable, plan: Plan, out: Path, report: Report | None
) -> Measured | Missing | FailedTable:
    folder = out / table.key

    def show(progress: Progress) -> None:
        if report is not None:
            report(table, progress)

    show(Progress(len(plan.items)))
    try:
        results = run_plan(plan, RunFolder(folder), show)
    except SettingsError:  # wrong use: the other tables would fail in the same way
        raise
    except ModelLoadError as error:
        return _missing_model(table, str(error))
    except MataError as error:
        return FailedTable(table, folder, str(error))
    finally:
        gc.collect()  # frees this model's memory for the next one
    if not any(item.answers for item in results.items):
        first = next((item.error for item in results.items), "there were no items")
        return FailedTable(table, folder, f"no item has an answer; the first error: {first}")
    hidden = all(item.answer is None for item in plan.dataset.items)
    files = prediction_paths(folder, [setting.name for setting in plan.settings], plan.task)
    return Measured(table, folder, results, files if hidden else {})


def _depth(source: str | Path, options: Options) -> int | str:
    """Return how many decoder layers a model has, or why it cannot be used."""
    try:
        found = find_model(source, trust_remote_code=options.trust_remote_code)
        load_processor(found)  # fails now, rather than after hours, if a small file is missing
        return locate(skeleton(found, options.attn_implementation)).depth
    except (ModelLoadError, UnsupportedModelError) as error:
        return str(error)


def _missing_model(table: PaperTable, reason: str) -> Missing:
    model = table.model
    advice = (
        f"it is downloaded from the hub on first use; without a network, run hf download "
        f"{model.hub} --local-dir FOLDER elsewhere, then give --model {model.key}=FOLDER"
    )
    return Missing(table, "model", model.key, reason, advice)


def _missing_data(table: PaperTable, reason: str) -> Missing:
    name = f"{table.task}-{table.split}"
    return Missing(table, "data", name, reason, DATA_ADVICE[name])


def _check_arguments(
    data: Mapping[str, str | Path],
    models: Mapping[str, str | Path],
    only: Collection[str] | None,
    options: Mapping[str, Any],
) -> None:
    for kind, keys, allowed in (
        ("data", data, data_keys()),
        ("model", models, list(MODELS)),
        ("model", only or (), list(MODELS)),
    ):
        for key in keys:
            if key not in allowed:
                raise SettingsError(f"no such {kind}: {key!r}; allowed are {', '.join(allowed)}")
    for task, where in data.items():
        splits = _splits().get(task, ())
        if len(splits) > 1 and Path(where).expanduser().is_file():
            parts = " or ".join(f"{task}-{split}" for split in splits)
            raise SettingsError(
                f"{where} is one question file, but {task} has several splits: give the folder, "
                f"or name the file's split ({parts})"
            )
    for field in ("split", "ids"):
        if field in options:
            raise SettingsError(f"{field} cannot be chosen here: each table of the paper fixes it")
