"""Progress in a log file and on a terminal."""

from __future__ import annotations

import sys

import pytest

from mata_audio.cli.progress import RunProgress, line
from mata_audio.evaluation import Progress


def test_progress_in_a_log_file(capsys: pytest.CaptureFixture[str]) -> None:
    with RunProgress() as shown:
        for title, total in (("reading", 1000), ("profiling", 20)):
            for done in range(1, total + 1):
                shown.show(Progress(total, done), title)
    lines = capsys.readouterr().err.splitlines()
    assert lines[0] == "mata: reading: 1,000 items"
    assert len(lines) == 1 + 11 + 1 + 11  # of each stage the first item and every tenth
    assert lines[11].startswith("mata: 1,000 of 1,000 (100%)  ")
    assert lines[11].endswith(" a second, 0 s left")
    assert lines[12] == "mata: profiling: 20 items"
    assert lines[-1].startswith("mata: 20 of 20 (100%)  ")


def test_progress_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with RunProgress() as shown:
        shown.show(Progress(10, done=10), "reading")
        shown.show(Progress(10, done=10), "profiling")
    reading, profiling = capsys.readouterr().err.split("mata: profiling: 10 items\n")
    assert reading.startswith("mata: reading: 10 items\n\r\x1b[Kmata: 10 of 10 (100%)")
    assert profiling.startswith("\r\x1b[Kmata: 10 of 10 (100%)")
    assert reading.endswith(" left\n")
    assert profiling.endswith(" left\n")


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
