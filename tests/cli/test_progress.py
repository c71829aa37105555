"""Progress in a log file and on a terminal."""

from __future__ import annotations

import sys

import pytest

from mata_audio.cli.progress import RunProgress, StageProgress, line
from mata_audio.evaluation import Progress


def test_progress_in_a_log_file(capsys: pytest.CaptureFixture[str]) -> None:
    with StageProgress("reading", 1000) as progress:
        for _ in range(1000):
            progress.advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert lines[-1].startswith("mata: reading: 1,000 of 1,000 (100%)  ")
    assert lines[-1].endswith(" a second, 0 s left")


def test_progress_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with StageProgress("reading", 10) as progress:
        progress.advance(10)
    assert "10/10" in capsys.readouterr().err


def test_progress_lines(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = [100.0]
    monkeypatch.setattr("time.monotonic", lambda: clock[0])
    state = Progress(200, done=20, resumed=20, started=100.0)
    with RunProgress() as shown:
        for done in range(21, 201):
            clock[0] += 0.5
            state.done, state.correct, state.scored = done, {"MATA": done // 2}, {"MATA": done}
            shown.show(state)
    lines = capsys.readouterr().err.splitlines()
    assert 10 <= len(lines) <= 13  # every tenth, every half minute, the end
    assert lines[-1] == "mata: 200 of 200 (100%)  2.0 a second, 0 s left  MATA 50.0 %"
    state.done, state.failed = 110, 3
    assert line(state).endswith("1 min 30 s left  MATA 50.0 %  3 failed")
