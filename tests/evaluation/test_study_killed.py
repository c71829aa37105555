"""A killed study resumes, and ends with the same file."""

from __future__ import annotations

import json
import os
import shutil
import signal
from pathlib import Path
from typing import Any

import pytest
from forking import forking

from mata_audio.storage.items_file import ItemStore

ITEMS = 24


def command(out: Path) -> list[str]:
    options = "--choose-on tune --report-on test --batch-size 2"
    model = ["tiny", "--task", "tiny", "--out", str(out), "--items", str(ITEMS)]
    methods = ["--methods", "aad", "--fit", "mass; steps=2"]
    return ["study", *model, *options.split(), *methods]


def finished(part: Path) -> list[str]:
    """Return the ids of the items of a part that are on disk."""
    return [*ItemStore(part / "items.jsonl").lines]


def without_commit(path: Path) -> Any:
    """Return a study's file without the commit, which may change while this runs."""
    data = json.loads(path.read_text(encoding="utf-8"))
    return {**data, "machines": [{**own, "git": None} for own in data["machines"]]}


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_sigkill_while_choosing_and_while_reporting(tmp_path: Path) -> None:
    out, whole = tmp_path / "killed", tmp_path / "whole"
    with forking(tmp_path) as mata:
        killed = mata.run(command(out), lambda: len(finished(out / "choosing")) >= 5)
        first = finished(out / "choosing")
        assert 5 <= len(first) < ITEMS
        assert not (out / "reporting").exists()
        again = mata.run(command(out), lambda: len(finished(out / "reporting")) >= 5)
        second = finished(out / "reporting")
        assert len(second) < ITEMS
        assert not (out / "study.json").exists()
        assert (killed.code, again.code) == (-signal.SIGKILL, -signal.SIGKILL)
        assert mata.run(command(out)).code == 0
        assert finished(out / "choosing")[: len(first)] == first
        assert finished(out / "reporting")[: len(second)] == second

        # Times are measured once a folder; all else is the same in any folder.
        whole.mkdir()
        shutil.copy(out / "timing.json", whole)
        assert mata.run(command(whole)).code == 0
        assert without_commit(out / "study.json") == without_commit(whole / "study.json")
        for name in ("choosing/items.jsonl", "reporting/items.jsonl", "timing.json"):
            assert (out / name).read_bytes() == (whole / name).read_bytes()
        assert (out / "winner.json").exists() == (whole / "winner.json").exists()

        assert mata.run(command(out)).code == 0  # nothing is left to run
        assert without_commit(out / "study.json") == without_commit(whole / "study.json")
