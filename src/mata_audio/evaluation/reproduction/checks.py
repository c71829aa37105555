"""What a reproduction needs, and what of it is there: found in seconds, before PyTorch loads."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from mata_audio.errors import DataError, ModelLoadError, SettingsError
from mata_audio.evaluation.data.audio_sources import MissingAudio
from mata_audio.evaluation.data.question_files import HUB_ID, check_data_set
from mata_audio.evaluation.reproduction.paper import (
    DATA_ADVICE,
    MODELS,
    TABLES,
    PaperTable,
)
from mata_audio.evaluation.tasks import task_named
from mata_audio.models.on_disk import check_model, free_bytes, model_type
from mata_audio.notation.did_you_mean import did_you_mean

OUT_BYTES = 10**8
"""What the files of a reproduction may take."""


@dataclass(frozen=True)
class Missing:
    """A thing that a table cannot be run without.

    Args:
        table: the table.
        what: ``"model"``, ``"data"``, ``"package"`` or ``"disk"``.
        name: key of the model or of the data, name of the package, or the folder.
        reason: what is wrong.
        advice: how to get it.
    """

    table: PaperTable
    what: str
    name: str
    reason: str
    advice: str


@dataclass(frozen=True)
class TableCheck:
    """What there is for one table.

    Args:
        table: the table.
        source: folder or hub id of its model.
        data: folder, file or hub id of its data; None if none was given.
        items: questions in its data; None if they have not been read.
        missing: what it cannot be run without.
        notes: what it can be run without, but not as the paper was.
    """

    table: PaperTable
    source: str | Path
    data: str | Path | None
    items: int | None
    missing: tuple[Missing, ...]
    notes: tuple[str, ...]


@dataclass(frozen=True)
class _Found:
    """What a check of a model or of data found: what is wrong, else what there is."""

    problem: str = ""
    note: str = ""
    model_type: str | None = None
    items: int | None = None
    all_clips_missing: bool = False


def check_tables(
    out: str | Path,
    data: Mapping[str, str | Path],
    models: Mapping[str, str | Path],
    only: Collection[str] | None = None,
    limit: int | None = None,
    tell: Callable[[str], None] = lambda line: None,
) -> tuple[TableCheck, ...]:
    """Check what there is for the paper's tables; arguments as for ``reproduce``.

    Args:
        out: folder for the run folders.
        data: where the data is.
        models: where the models are.
        only: keys of the models to run.
        limit: run only this many items.
        tell: called with a line before something that takes time.

    Raises:
        SettingsError: an unknown key, or a question file for several splits.
    """
    check_keys(data, models, only)
    tables = [table for table in TABLES if only is None or table.model.key in only]
    sources = {key: models.get(key, model.hub) for key, model in MODELS.items()}
    keys = list(dict.fromkeys(table.model.key for table in tables))
    tell(f"looking for the models {', '.join(keys)}")
    with ThreadPoolExecutor() as pool:  # the hub may be slow to say that it cannot be reached
        found_models = dict(
            zip(keys, pool.map(lambda key: _model(sources[key]), keys), strict=True)
        )
    found_data: dict[str, _Found] = {}
    checks = []
    for table in tables:
        name = f"{table.task}-{table.split}"
        where = data.get(name, data.get(table.task))
        if name not in found_data:
            if where is not None:
                tell(f"reading the questions of {name} in {where}")
            found_data[name] = _data(table, where, limit)
        model, questions = found_models[table.model.key], found_data[name]
        missing = [
            *([missing_model(table, model.problem)] if model.problem else []),
            *_packages(table, sources[table.model.key], model.model_type),
            *([missing_data(table, questions.problem)] if questions.problem else []),
            *_disk(table, Path(out)),
        ]
        if questions.all_clips_missing and not (Path(out) / table.key / "items.jsonl").exists():
            missing.append(missing_data(table, questions.note))
        said = {each.reason for each in missing}
        less = [note for note in (model.note, questions.note) if note and note not in said]
        own = (table, sources[table.model.key], where, questions.items)
        checks.append(TableCheck(*own, tuple(missing), tuple(less)))
    return tuple(checks)


def missing_lines(missing: Sequence[Missing]) -> list[str]:
    """Return what is missing, why, how to get it and what needs it; one thing a line."""
    needed: dict[tuple[str, str], list[Missing]] = {}
    for each in missing:
        needed.setdefault((each.what, each.name), []).append(each)
    return [
        f"missing {what} {name}: {found[0].reason}. To get it: {found[0].advice}. "
        f"Needed for {', '.join(with_figures(each.table) for each in found)}"
        for (what, name), found in needed.items()
    ]


def notes(checks: Sequence[TableCheck]) -> list[str]:
    """Return what tables can be run without, once each."""
    return list(dict.fromkeys(note for check in checks for note in check.notes))


def with_figures(table: PaperTable) -> str:
    """Return a table's title and the paper's averages."""
    before, after = (
        "-" if figures.average is None else f"{figures.average:.1f}"
        for figures in (table.baseline, table.mata)
    )
    return f"{table.title} (paper: baseline {before}, MATA {after})"


def missing_model(table: PaperTable, reason: str) -> Missing:
    """Return that a table's model is missing."""
    model = table.model
    advice = (
        f"it is downloaded from the hub on first use; without a network, run hf download "
        f"{model.hub} --local-dir FOLDER elsewhere, then give --model {model.key}=FOLDER"
    )
    return Missing(table, "model", model.key, reason, advice)


def missing_data(table: PaperTable, reason: str) -> Missing:
    """Return that a table's data is missing."""
    name = f"{table.task}-{table.split}"
    return Missing(table, "data", name, reason, DATA_ADVICE[name])


def data_keys() -> list[str]:
    """Return the allowed keys of ``data``: tasks, and tasks with a split."""
    splits = _splits()
    return [*splits, *(f"{task}-{split}" for task in splits for split in splits[task])]


def check_keys(
    data: Mapping[str, str | Path],
    models: Mapping[str, str | Path],
    only: Collection[str] | None,
) -> None:
    """Refuse keys that do not exist, and a question file for a task with several splits.

    Raises:
        SettingsError: one was given.
    """
    for kind, keys, allowed in (
        ("data", data, data_keys()),
        ("model", models, list(MODELS)),
        ("model", only or (), list(MODELS)),
    ):
        for key in keys:
            if key not in allowed:
                hint = did_you_mean(key, allowed)
                raise SettingsError(
                    f"no such {kind}: {key!r}{hint}; allowed are {', '.join(allowed)}"
                )
    for task, where in data.items():
        splits = _splits().get(task, ())
        if len(splits) > 1 and Path(where).expanduser().is_file():
            parts = " or ".join(f"{task}-{split}" for split in splits)
            raise SettingsError(
                f"{where} is one question file, but {task} has several splits: give the folder, "
                f"or name the file's split ({parts})"
            )


def _splits() -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for table in TABLES:
        if table.split not in splits.setdefault(table.task, []):
            splits[table.task].append(table.split)
    return splits


def _model(source: str | Path) -> _Found:
    try:
        size = check_model(str(source))
        kind = model_type(str(source))
    except ModelLoadError as error:
        return _Found(problem=str(error))
    note = f"{source}: {size / 1e9:.1f} GB of weights are not here yet, but on the hub"
    return _Found(note=note if size else "", model_type=kind)


def _packages(table: PaperTable, source: str | Path, kind: str | None) -> list[Missing]:
    """Return the missing packages that the paper's model needs, if the model is of its type."""
    model = table.model
    alike = str(source) == model.hub if kind is None else kind.startswith(model.model_type)
    wanted = model.packages if alike else ()
    return [
        Missing(table, "package", name, f"{model.title} needs it", f"pip install {name}")
        for name in wanted
        if find_spec(name) is None
    ]


def _data(table: PaperTable, where: str | Path | None, limit: int | None) -> _Found:
    if where is None:
        return _Found(problem="no data given")
    if not Path(where).expanduser().exists() and HUB_ID.fullmatch(str(where)):
        problem = check_data_set(str(where))
        return _Found(problem, note="" if problem else f"{where} is on the hub, and unread so far")
    try:
        items = task_named(table.task).load(where, table.split).items[:limit]
    except DataError as error:
        return _Found(problem=str(error))
    clips = [clip for item in items for clip in item.audio]
    gone = [clip for clip in clips if isinstance(clip, MissingAudio)]
    note = ""
    if gone:
        note = f"{len(gone):,} of {len(clips):,} clips are missing; the first: {gone[0].reason}"
    return _Found(
        items=len(items), note=note, all_clips_missing=bool(gone) and len(gone) == len(clips)
    )


def _disk(table: PaperTable, out: Path) -> list[Missing]:
    free = free_bytes(out)
    if free >= OUT_BYTES:
        return []
    reason = f"only {free / 1e6:.0f} MB are free there, and {OUT_BYTES / 1e6:.0f} MB are needed"
    return [Missing(table, "disk", str(out), reason, "free space, or give another --out")]
