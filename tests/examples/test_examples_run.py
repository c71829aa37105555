"""Every script of ``examples/`` runs by itself in an empty folder, and has a row in the README."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

EXAMPLES = Path(__file__).parents[2] / "examples"
SAID = {
    "one_clip_many_questions": r"Which sound.*\nHow many.*\nDoes the sound.*",
    "own_benchmark": r"<Results of counting test: 60 items; .*>\n(.*: 20 items, .*\n){3}all: 60 .*",
    "own_method": r"<Results of tiny tune: 120 items; .*>\nMATA: .* points.*\nlift: .* points.*",
    "salmonn_like": r"baseline \[.*\]\nMATA     \[.*\]\nMATA receipt(\n  .*)+",
}
"""What a script prints; a server never ends, and has tests of its own."""
SCRIPTS = sorted({path.stem for path in EXAMPLES.glob("*.py")} - {"own_server"})


@pytest.mark.parametrize("name", SCRIPTS)
def test_it_runs(name: str, tmp_path: Path) -> None:
    run = subprocess.run(
        [sys.executable, str(EXAMPLES / f"{name}.py")],
        cwd=tmp_path, env={**os.environ, "OMP_NUM_THREADS": "1"}, timeout=300,
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert run.returncode == 0, run.stderr
    assert re.fullmatch(SAID[name], run.stdout.rstrip()), run.stdout


def test_each_has_its_row() -> None:
    rows = re.findall(r"^\| \[`([\w.]+)`\]\(\1\)", (EXAMPLES / "README.md").read_text(), re.M)
    files = {path.name for path in EXAMPLES.iterdir() if path.suffix in {".py", ".ipynb"}}
    assert len(rows) == len(set(rows))
    assert set(rows) == files
