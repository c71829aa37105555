"""A run that dies before, amid or after any write resumes, and ends with the same files."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from killing import ITEMS

SCRIPT = Path(__file__).with_name("killing.py")


def files(folder: Path) -> dict[str, bytes]:
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_death_at_every_write(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(SCRIPT), str(tmp_path)], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    died = done.stdout.splitlines()
    for written in ("evidence", "run", "items", "results", "sweep", "winner", "baseline"):
        assert sum(written in moment for moment in died) >= 3, (written, died)

    whole = files(tmp_path / "whole")
    manifest = json.loads(whole.pop("run.json"))
    assert {"evidence.json", "items.jsonl", "winner.json", "predictions/baseline.json"} < set(whole)
    for number, moment in enumerate(died, start=1):
        resumed = files(tmp_path / f"{number}")
        again: dict[str, Any] = json.loads(resumed.pop("run.json"))
        assert resumed == whole, moment
        sittings = again.pop("sittings")
        assert again == {key: value for key, value in manifest.items() if key != "sittings"}
        assert sum(sitting["items"] for sitting in sittings) == ITEMS
        assert len(sittings) <= 2
