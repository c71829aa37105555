"""Benchmark data: writing it as it is published, and files that are published or made up."""

from __future__ import annotations

import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

from mata_audio.evaluation.item import Dataset
from mata_audio.evaluation.task import Task

MADE_UP = Path(__file__).with_name("made_up")
ORIGINS = ("made up", "published")

_BESIDE = Path(__file__).parents[3] / "shared"  # where these files lie if no variable is set


def question_file(name: str, origin: str) -> Path:
    """Return a question file: made up, in this repository, or as its benchmark publishes it.

    Skips the test if the published file is not there. Made-up ones have the published layout.
    """
    if origin == "made up":
        return MADE_UP / name
    return _given("MATA_AUDIO_BENCHMARKS", _BESIDE / "benchmarks", name)


def golden_file(name: str) -> Path:
    """Return what an official script printed for a whole benchmark; skip the test without it."""
    return _given("MATA_AUDIO_GOLDEN", _BESIDE / "golden", name)


def _given(variable: str, default: Path, name: str) -> Path:
    folder = Path(os.environ.get(variable, default))
    if variable in os.environ and not folder.is_dir():
        pytest.fail(f"{variable} is {os.environ[variable]!r}, which is no folder")
    if not (folder / name).is_file():
        pytest.skip(f"needs {name}: set {variable} to its folder (CONTRIBUTING.md says which)")
    return folder / name


def questions_of(path: Path) -> list[dict[str, Any]]:
    """Return the records of a question file."""
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in content.splitlines()]
    records: list[dict[str, Any]] = json.loads(content)
    return records


def loaded(task: Task, file: str, split: str, origin: str, version: str) -> Dataset:
    """Load a question file of a benchmark, and check what holds for every one.

    Args:
        task: the benchmark.
        file: the name of its question file.
        split: the split that is in it.
        origin: see :func:`question_file`.
        version: what the published file is recognised as.
    """
    path = question_file(file, origin)
    dataset = task.load(path, split)
    if origin == "published":
        assert len(dataset.items) == 1000
        assert dataset.version == version
    assert [item.record for item in dataset.items] == questions_of(path)
    assert all(len(item.choices) >= 2 for item in dataset.items)
    assert not any(choice.startswith("(A)") for item in dataset.items for choice in item.choices)
    return dataset


def write_tar(path: Path, members: dict[str, bytes], mode: str = "w:gz") -> Path:
    """Write a tar archive."""
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            tar.addfile(info, io.BytesIO(content))
    return path


def write_zip(path: Path, members: dict[str, str | bytes]) -> Path:
    """Write a zip archive."""
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def write_parquet(path: Path, rows: list[dict[str, Any]], rows_per_group: int = 2) -> Path:
    """Write a parquet file in groups of rows."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    path.parent.mkdir(exist_ok=True)
    table = pyarrow.Table.from_pylist(rows)
    parquet.write_table(table, path, row_group_size=rows_per_group)
    return path
