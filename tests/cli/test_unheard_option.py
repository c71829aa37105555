"""``--unheard``: every command that runs a benchmark has it, and prints its table."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Mata


def test_a_run_prints_what_is_right_without_the_audio(mata: Mata, tmp_path: Path) -> None:
    words = ("eval", "tiny", "--task", "tiny", "--out", tmp_path, "--items", "4")
    outcome = mata(*words, "--unheard")
    assert outcome.code == 0
    assert "Without the audio, the model answers" in outcome.out
    assert "not right unheard" in outcome.out
    assert "unheard:" not in outcome.out  # no figure against the baseline
    settings = json.loads((tmp_path / "run.json").read_text())["identity"]["settings"]
    assert list(settings) == ["baseline", "MATA", "unheard"]
    refused = mata(*words)
    assert refused.code == 1
    assert "unheard" in refused.err


@pytest.mark.parametrize("command", ["eval", "sweep", "choose"])
def test_every_command_that_runs_a_benchmark_has_it(mata: Mata, command: str) -> None:
    assert "--unheard" in mata(command, "--help").out
