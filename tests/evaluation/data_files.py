"""Writing benchmark data as it is published, and reading the published files themselves."""

from __future__ import annotations

import io
import json
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

PUBLISHED = Path(__file__).parents[3] / "shared" / "benchmarks"


def published(name: str) -> list[dict[str, Any]]:
    """Return the records of a published question file; skip the test if it is not there."""
    path = PUBLISHED / name
    if not path.exists():
        pytest.skip(f"no published question file at {path}")
    content = path.read_text(encoding="utf-8")
    if path.suffix == ".jsonl":
        return [json.loads(line) for line in content.splitlines()]
    records: list[dict[str, Any]] = json.loads(content)
    return records


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
