"""What is missing in a package, or too much in it, is named."""

from __future__ import annotations

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import pytest

SOURCES = {"README.md", "src/mata_audio/__init__.py", "src/mata_audio/py.typed"}
CODE = {"mata_audio/__init__.py", "mata_audio/py.typed"}
WRITTEN = {"PKG-INFO", "setup.cfg", "src/mata_audio.egg-info/SOURCES.txt"}


def packages(folder: Path, code: set[str], sources: set[str]) -> Path:
    """Write a wheel and a source distribution of empty files."""
    with zipfile.ZipFile(folder / "mata_audio-1-py3-none-any.whl", "w") as wheel:
        for name in code | {"mata_audio-1.dist-info/RECORD"}:
            wheel.writestr(name, "")
    with tarfile.open(folder / "mata_audio-1.tar.gz", "w:gz") as archive:
        for name in sources | WRITTEN:
            archive.addfile(tarfile.TarInfo(f"mata_audio-1/{name}"), io.BytesIO())
    return folder


def test_packages_as_they_should_be(
    tool: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert tool.main(packages(tmp_path, CODE, SOURCES), SOURCES) == 0
    out, err = capsys.readouterr()
    assert out.splitlines() == [
        "mata_audio-1-py3-none-any.whl: 2 files, 0.0 MB",
        "mata_audio-1.tar.gz: 3 files, 0.0 MB",
    ]
    assert err == ""


def test_each_difference_is_named(
    tool: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code = CODE - {"mata_audio/py.typed"} | {"tests/test_x.py"}
    sources = SOURCES - {"README.md"} | {"runs/demo/report.html"}
    assert tool.main(packages(tmp_path, code, sources), SOURCES) == 1
    assert capsys.readouterr().err.splitlines() == [
        "mata_audio-1-py3-none-any.whl lacks mata_audio/py.typed",
        "mata_audio-1-py3-none-any.whl has tests/test_x.py, which git does not track",
        "mata_audio-1.tar.gz lacks README.md",
        "mata_audio-1.tar.gz has runs/demo/report.html, which git does not track",
    ]
