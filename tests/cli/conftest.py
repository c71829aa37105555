"""Running ``mata`` inside this process: its exit code, stdout and stderr."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import soundfile
from running import Mata, Outcome

from mata_audio.cli.main import main


@pytest.fixture
def mata(capsys: pytest.CaptureFixture[str]) -> Mata:
    def run(*arguments: str | Path) -> Outcome:
        capsys.readouterr()
        code = main([str(argument) for argument in arguments])
        return Outcome(code, *capsys.readouterr())

    return run


@pytest.fixture(scope="session")
def small_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run of two items."""
    folder = tmp_path_factory.mktemp("small") / "run"
    assert main(["eval", "tiny", "--task", "tiny", "--items", "2", "--out", str(folder)]) == 0
    return folder


@pytest.fixture
def clip(tmp_path: Path) -> Path:
    """One second of noise, 16 kHz."""
    path = tmp_path / "clip.wav"
    soundfile.write(path, 0.1 * np.random.default_rng(0).standard_normal(16_000), 16_000)
    return path
