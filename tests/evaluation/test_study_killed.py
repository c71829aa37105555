"""A killed study resumes, and ends with the same file."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from mata_audio.storage.items_file import ItemStore

ITEMS = 24


def command(out: Path) -> list[str]:
    options = "--choose-on tune --report-on test --batch-size 2"
    model = ["tiny", "--task", "tiny", "--out", str(out), "--limit", str(ITEMS)]
    methods = ["--methods", "aad", "--fit", "mass; steps=2"]
    return [sys.executable, "-m", "mata_audio", "study", *model, *options.split(), *methods]


def kill_when(out: Path, part: str, lines: int) -> None:
    """Run until this many items of a part are on disk, then send SIGKILL."""
    process = subprocess.Popen(
        command(out), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, start_new_session=True
    )
    try:
        deadline = time.monotonic() + 900
        while len(ItemStore(out / part / "items.jsonl").lines) < lines:
            assert process.poll() is None, process.stderr and process.stderr.read().decode()
            assert time.monotonic() < deadline
            time.sleep(0.001)
    finally:
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def without_commit(path: Path) -> Any:
    """Return a study's file without the commit, which may change while this runs."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return {**data, "machines": [{**own, "git": None} for own in data["machines"]]}


@pytest.mark.skipif(os.name != "posix", reason="SIGKILL is POSIX's")
def test_sigkill_while_choosing_and_while_reporting(tmp_path: Path) -> None:
    out, whole = tmp_path / "killed", tmp_path / "whole"
    kill_when(out, "choosing", 5)
    first = [*ItemStore(out / "choosing" / "items.jsonl").lines]
    assert 5 <= len(first) < ITEMS
    assert not (out / "reporting").exists()
    kill_when(out, "reporting", 5)
    second = [*ItemStore(out / "reporting" / "items.jsonl").lines]
    assert len(second) < ITEMS
    assert not (out / "study.json").exists()
    subprocess.run(command(out), capture_output=True, check=True)
    assert [*ItemStore(out / "choosing" / "items.jsonl").lines][: len(first)] == first
    assert [*ItemStore(out / "reporting" / "items.jsonl").lines][: len(second)] == second

    # Times are measured once a folder; all else is the same in any folder.
    whole.mkdir()
    shutil.copy(out / "timing.json", whole)
    subprocess.run(command(whole), capture_output=True, check=True)
    assert without_commit(out / "study.json") == without_commit(whole / "study.json")
    for name in ("choosing/items.jsonl", "reporting/items.jsonl", "timing.json"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    assert (out / "winner.json").exists() == (whole / "winner.json").exists()

    subprocess.run(command(out), capture_output=True, check=True)  # nothing is left to run
    assert without_commit(out / "study.json") == without_commit(whole / "study.json")
