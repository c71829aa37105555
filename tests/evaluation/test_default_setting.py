"""A run that names no setting: the same from Python and from the command."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

import mata_audio
from mata_audio import MATA
from mata_audio.cli.main import main


def compared(run: Path) -> dict[str, Any]:
    """The settings of a run, as its identity has them."""
    settings: dict[str, Any] = json.loads((run / "run.json").read_text())["identity"]["settings"]
    return settings


@pytest.mark.parametrize("as_loaded", [False, True])
def test_a_folder_with_a_setting_of_its_own(as_loaded: bool, tmp_path: Path) -> None:
    """The embedded model has one, so a run compares that, and says on what it was chosen."""
    model = mata_audio.load("tiny") if as_loaded else "tiny"
    mata_audio.evaluate(model, "tiny", tmp_path / "python", limit=2)
    by_python = compared(tmp_path / "python")
    assert by_python["MATA"]["method"] == MATA(alpha=2, layers="3-7").as_data()
    assert by_python["MATA"]["tuned_on"]["split"] == "tune"
    words = ["eval", "tiny", "--task", "tiny", "--items", "2", "--out", str(tmp_path / "command")]
    assert main(words) == 0
    assert compared(tmp_path / "command") == by_python


def test_a_model_without_one(qwen2_audio_folder: Path, tmp_path: Path) -> None:
    mata_audio.evaluate(qwen2_audio_folder, "jsonl", tmp_path / "run", data=_question(tmp_path))
    assert compared(tmp_path / "run")["MATA"] == {"method": MATA().as_data(), "tuned_on": None}


def _question(folder: Path) -> Path:
    soundfile.write(folder / "a.wav", 0.1 * np.ones(16_000), 16_000)
    line = {"id": "1", "audio": "a.wav", "question": "What?", "choices": ["x", "y"], "answer": "x"}
    (folder / "own.jsonl").write_text(json.dumps(line) + "\n")
    return folder / "own.jsonl"
