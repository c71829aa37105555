"""Finding and reading a benchmark's question files."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from pathlib import Path
from typing import Any

from mata_audio.errors import DataError, SettingsError
from mata_audio.evaluation.data import audio_sources as sources
from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.data.known_versions import sha256, version_of
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.models.hub import HUB_SECONDS, cache_only, in_time, why_unreachable

HUB_ID = re.compile(r"[\w.-]+/[\w.-]+")
_HALF_PAIR = re.compile("[\ud800-\udfff]")
_GROUP_TYPES = (str, int, float, bool, type(None))


@dataclass(frozen=True)
class QuestionFiles:
    """A benchmark's question files: a single one, or the shards of a parquet file."""

    folder: Path
    files: tuple[Path, ...]

    @cached_property
    def clips(self) -> Clips:
        """The clips in and around the questions' folder."""
        return Clips(self.folder, self.files[0].parent)


@dataclass(frozen=True)
class QuestionRow:
    """A record and its number in its file; ``audio`` holds a parquet row's clips by column."""

    file: Path
    number: int
    record: Mapping[str, Any]
    audio: Mapping[str, sources.ParquetAudio]

    def error(self, problem: str) -> DataError:
        """Return the error that names this record and the problem."""
        ids = [self.record[key] for key in ("id", "uniq_id") if key in self.record]
        name = f"record {self.number}" + (f" (id {ids[0]})" if ids else "")
        return DataError(f"{self.file}: {name}: {problem}")

    def text(self, key: str) -> str:
        """Return a required field: text, or a number as text.

        Raises:
            DataError: it is missing, empty, or something else.
        """
        value = self.record.get(key)
        known = isinstance(value, str | int | float) and not isinstance(value, bool)
        if not known or value == "" or value != value:  # the last of them is NaN
            has = "is missing" if value in (None, "") else f"is {value!r}, not text"
            raise self.error(f"{key} {has}; its fields are {', '.join(self.record) or 'none'}")
        return str(value)

    def groups(self, keys: Sequence[str]) -> dict[str, str]:
        """Return the groups that the fields under these keys name; null and NaN name none.

        A number names the group of its text, and a whole number the same one as 3 or as 3.0.

        Raises:
            DataError: a field is neither text, a number, true, false nor null.
        """
        values = {key: self.record.get(key) for key in keys}
        wrong = next((k for k, v in values.items() if not isinstance(v, _GROUP_TYPES)), None)
        if wrong is not None:
            raise self.error(f"{wrong} is {values[wrong]!r:.60}: give text or a number")
        return {k: _group(v) for k, v in values.items() if v is not None and v == v}


def _group(value: str | int | float | bool) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    return f"{value:.0f}" if isinstance(value, float) and value.is_integer() else str(value)


def find_questions(
    data: str | Path | None,
    split: str,
    layouts: Mapping[str, Sequence[str]],
    hub: str,
    only: str | None = None,
) -> QuestionFiles:
    """Find the question files of a benchmark's split.

    Args:
        data: a folder, a question file, or a hub id.
        split: one of the keys of ``layouts``.
        layouts: glob patterns of the question files, by split; the first that matches is used.
        hub: the benchmark's hub id, for messages.
        only: glob pattern of the files to download from the hub; None for all.

    Raises:
        DataError: there are no question files, or the download failed.
        SettingsError: the split does not exist.
    """
    if split not in layouts:
        raise SettingsError(f"no such split: {split!r}; allowed are {', '.join(layouts)}")
    if data is None:
        raise DataError(f"no data given: give a folder, a question file or a hub id such as {hub}")
    path = Path(data).expanduser()
    if path.is_file():
        return QuestionFiles(_folder_of(path, layouts[split]), (path,))
    if not path.exists():
        if not HUB_ID.fullmatch(str(data)) or str(data).startswith("."):
            raise DataError(f"no such folder or file: {data}; a hub id looks like {hub}")
        path = _download(str(data), only)
    for layout in layouts[split]:
        found = sorted(file for file in path.glob(layout) if file.is_file())
        if len(found) > 1 and any(file.suffix != ".parquet" for file in found):
            names = ", ".join(file.name for file in found)
            raise DataError(f"{path} has several question files ({names}): give the one to use")
        if found:
            return QuestionFiles(path, tuple(found))
    there = ", ".join(sorted(entry.name + "/" * entry.is_dir() for entry in path.iterdir()))
    raise DataError(
        f"no question file in {path}: looked for {', '.join(layouts[split])}; "
        f"found {there[:500] or 'nothing'}"
    )


def read_rows(questions: QuestionFiles) -> list[QuestionRow]:
    """Read all records of the question files.

    Raises:
        DataError: a file cannot be read, does not match its file type, or there are no records.
    """
    rows = [row for file in questions.files for row in _rows(file)]
    if not rows:
        raise DataError(f"{questions.files[0]} holds no records")
    return rows


def dataset(task: str, split: str, questions: QuestionFiles, items: Sequence[Item]) -> Dataset:
    """Return the items as a dataset, with the sha256 of the question files.

    Raises:
        DataError: an id occurs more than once.
    """
    twice = [id for id, times in Counter(item.id for item in items).items() if times > 1]
    if twice:
        raise DataError(
            f"{questions.files[0]}: {len(twice)} ids occur more than once, for example {twice[0]}; "
            "ids must be unique"
        )
    by_path = len({file.name for file in questions.files}) < len(questions.files)
    files = {
        file.relative_to(questions.folder).as_posix() if by_path else file.name: sha256(file)
        for file in questions.files
    }
    return Dataset(task, split, tuple(items), files, version_of(files))


def _folder_of(file: Path, layouts: Sequence[str]) -> Path:
    """Return the dataset's folder for a question file, which may be in a subfolder of it."""
    fits = (layout for layout in layouts if "/" in layout and file.match(layout))
    return file.parents[next(fits, "").count("/")]


def check_data_set(hub_id: str) -> str:
    """Return why a data set of the hub cannot be had; "" if it is in the cache or can be reached.

    Nothing is downloaded.
    """
    try:
        from huggingface_hub import HfApi, snapshot_download

        try:
            with cache_only():
                snapshot_download(hub_id, repo_type="dataset")
        except OSError:
            in_time(lambda: HfApi().dataset_info(hub_id, timeout=HUB_SECONDS))
    except Exception as error:  # from the hub, the network or the disk: the advice is the same
        return (
            f"{hub_id} is neither a folder here nor in the hub's cache, and the hub does not offer "
            f"it ({_first(error)})"
        )
    return ""


def _first(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0]


def _download(hub_id: str, only: str | None) -> Path:
    try:
        from huggingface_hub import snapshot_download

        with cache_only(bool(why_unreachable(hub_id, "dataset"))):
            return Path(snapshot_download(hub_id, repo_type="dataset", allow_patterns=only))
    except Exception as error:  # from the hub, the network or the disk: the advice is the same
        raise DataError(
            f"there is no local file or folder {hub_id}, and downloading it as a hub data set "
            f"failed ({_first(error)}); download it by hand: hf download {hub_id} --repo-type "
            "dataset --local-dir FOLDER, then give FOLDER"
        ) from error


def _rows(file: Path) -> Iterator[QuestionRow]:
    if file.suffix == ".parquet":
        yield from _parquet_rows(file)
        return
    for number, record in enumerate(_json_records(file), start=1):
        if not isinstance(record, dict):
            raise DataError(f"{file}: record {number} is {record!r:.60}, not an object")
        row = QuestionRow(file, number, record, {})
        _check_unicode(row)
        yield row


def _check_unicode(row: QuestionRow) -> None:
    """Refuse half a surrogate pair, which JSON can hold but no output file can."""
    for key, value in row.record.items():
        text = json.dumps([key, value], ensure_ascii=False)
        half = _HALF_PAIR.search(text)
        if half:
            raise row.error(
                f"{key!a} is not valid Unicode: it holds {half[0]!a}, half a surrogate "
                "pair; correct the text"
            )


def _json_records(file: Path) -> list[Any]:
    try:
        text = file.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise DataError(f"{file} cannot be read as UTF-8 text ({error})") from error
    if text.startswith("version https://git-lfs"):
        raise DataError(f"{file} is a Git LFS pointer, not the file itself: run git lfs pull")
    if text.lstrip().startswith("["):
        try:
            records: list[Any] = json.loads(text, object_pairs_hook=_object)
        except (ValueError, RecursionError) as error:
            raise DataError(f"{file} is not JSON: {error}") from error
        return records
    records = []
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                records.append(json.loads(line, object_pairs_hook=_object))
            except (ValueError, RecursionError) as error:
                raise DataError(
                    f"{file} is neither a JSON list nor JSON lines: line {number}: {error}"
                ) from error
    return records


def _object(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    """Return a JSON object, of which no field is given twice."""
    fields = dict(pairs)
    if len(fields) < len(pairs):
        twice = next(key for key, times in Counter(key for key, _ in pairs).items() if times > 1)
        raise ValueError(f"an object has the field {twice!a} more than once")
    return fields


def _parquet_rows(file: Path) -> Iterator[QuestionRow]:
    try:
        arrow, arrow_parquet = import_module("pyarrow"), import_module("pyarrow.parquet")
    except ImportError as error:
        raise DataError(f"reading {file} needs pyarrow: pip install pyarrow") from error
    try:
        with arrow_parquet.ParquetFile(file) as parquet:
            audio = _audio_columns(parquet.schema_arrow)
            columns = [name for name in parquet.schema_arrow.names if name not in audio]
            columns += [f"{name}.path" for name, has_path in audio.items() if has_path]
            number = 0
            for group in range(parquet.num_row_groups):
                table = parquet.read_row_group(group, columns=columns)
                for row, record in enumerate(table.to_pylist()):
                    number += 1
                    names = {name: (record.pop(name, None) or {}).get("path") for name in audio}
                    clips = {
                        name: sources.ParquetAudio(file, group, row, name, path or f"row {number}")
                        for name, path in names.items()
                    }
                    yield QuestionRow(file, number, record, clips)
    except (OSError, UnicodeDecodeError, arrow.ArrowException) as error:
        raise DataError(f"{file} is not a readable parquet file ({error})") from error


def _audio_columns(schema: Any) -> dict[str, bool]:
    """Return the columns that hold audio files, and whether they hold the files' paths too."""
    is_struct = import_module("pyarrow.types").is_struct
    structs = {f.name: [part.name for part in f.type] for f in schema if is_struct(f.type)}
    found = {name: "path" in parts for name, parts in structs.items() if "bytes" in parts}
    return found | {f.name: False for f in schema if str(f.type) in ("binary", "large_binary")}
