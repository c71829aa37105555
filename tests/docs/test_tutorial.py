"""The tutorial's commands, one after another in an empty folder, print what it shows."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from pages_of_docs import BLOCKS, commands
from test_shell_blocks import words

from mata_audio.cli.main import main
from rounding import shows

TUTORIAL = [block for block in BLOCKS if block.page == "docs/tutorial.md"]


def plain(text: str) -> str:
    """Text without what follows the terminal's width: rules, line breaks and columns."""
    return " ".join(re.sub(r"-{3,}", " ", text).split())


def test_tutorial(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    pytest.importorskip("matplotlib", reason="needs mata-audio[pictures]")
    monkeypatch.chdir(tmp_path)
    said, shown = "", 0
    for block in TUTORIAL:
        if block.language == "shell":
            said = ""
            for command in commands(block):
                if command.startswith("mata "):
                    assert main(words(command)[1:]) == 0, f"{command}\n{capsys.readouterr().err}"
                    said += capsys.readouterr().out
        elif block.language == "text":
            assert shows(plain(said), plain(block.text)), block
            shown += 1
    assert shown == 4
    assert (tmp_path / "runs" / "chosen" / "report.html").exists()
