"""A small benchmark, and a run of the embedded model that several tests share."""

from __future__ import annotations

from pathlib import Path

import pytest
from small_runs import ITEMS, SETTINGS

from mata_audio.evaluation import Results, evaluate
from paper_data import write_mmau


@pytest.fixture
def mmau(tmp_path: Path) -> Path:
    """A folder in MMAU's published layout with 12 questions that have answers."""
    return write_mmau(tmp_path / "MMAU", n=12)


@pytest.fixture(scope="session")
def tiny_run(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """A finished run of the embedded model: its folder and its results. Do not write to it."""
    folder = tmp_path_factory.mktemp("runs") / "tiny"
    results = evaluate("tiny", "tiny", folder, settings=SETTINGS, limit=ITEMS, batch_size=3)
    return folder, results
