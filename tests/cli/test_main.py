"""Help, exit codes, and what is imported at start-up."""

from __future__ import annotations

import pkgutil
import subprocess
import sys
from unittest.mock import Mock

import pytest
from running import Mata

from mata_audio import __version__
from mata_audio.cli import commands
from mata_audio.cli.commands import info
from mata_audio.cli.main import COMMANDS, build_parser


def command_names() -> list[str]:
    """The commands in the order of ``mata --help``."""
    actions = build_parser()._subparsers._group_actions
    return list(actions[0].choices)


def test_every_command_is_in_the_table() -> None:
    modules = {module.name for module in pkgutil.iter_modules(commands.__path__)}
    assert modules == set(COMMANDS)
    assert command_names()[:5] == ["demo", "ask", "eval", "profile", "sweep"]


def test_start_up_imports_nothing_heavy() -> None:
    code = (
        "import sys, mata_audio.cli.main as m; m.build_parser().format_help(); "
        "print([n for n in ('torch', 'transformers', 'numpy', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize("command", [[], *([name] for name in command_names())])
def test_help_has_an_example_and_fits(mata: Mata, command: list[str]) -> None:
    outcome = mata(*command, "--help")
    assert outcome.code == 0
    assert "examples:\n  mata " in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100
    assert "\x1b" not in outcome.out


def test_version(mata: Mata) -> None:
    assert mata("--version").out == f"mata-audio {__version__}\n"


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (RuntimeError("some\nthing"), 1, "RuntimeError: some thing (unexpected; run again with"),
        (PermissionError(13, "Permission denied", "x.json"), 1, "Permission denied: 'x.json'"),
        (KeyboardInterrupt(), 130, "mata: interrupted"),
    ],
)
def test_other_errors(
    mata: Mata, monkeypatch: pytest.MonkeyPatch, error: BaseException, code: int, words: str
) -> None:
    monkeypatch.setattr(info, "run", Mock(side_effect=error))
    outcome = mata("info", "tiny")
    assert outcome.code == code
    assert len(outcome.err.splitlines()) == 1
    assert words in outcome.err


@pytest.mark.parametrize("arguments", [["--debug", "info", "x"], ["info", "x", "--debug"]])
def test_debug_shows_the_traceback(
    mata: Mata, monkeypatch: pytest.MonkeyPatch, arguments: list[str]
) -> None:
    monkeypatch.setattr(info, "run", Mock(side_effect=RuntimeError("thing")))
    outcome = mata(*arguments)
    assert outcome.code == 1
    assert "Traceback" in outcome.err
    assert outcome.err.splitlines()[-1] == "mata: error: RuntimeError: thing"


def test_a_reader_that_leaves_is_no_traceback() -> None:
    code = (
        "import sys, mata_audio.cli.commands.info as i, mata_audio.cli.main as m\n"
        "i.run = lambda args: [print('x' * 100) for _ in range(10000)] and 0\n"
        "sys.exit(m.main(['info', 'x']))"
    )
    reader = f'{sys.executable} -c "$0" | head -n 1'
    done = subprocess.run(["bash", "-c", reader, code], capture_output=True, text=True, check=True)
    assert done.stdout == "x" * 100 + "\n"
    assert done.stderr == ""
