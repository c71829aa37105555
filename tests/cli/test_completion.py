"""Completion in bash, zsh and fish: the shells are asked what they would offer."""

from __future__ import annotations

import argparse
import os
import pty
import re
import select
import shutil
import signal
import subprocess
from pathlib import Path

import pytest
from running import Mata

from mata_audio.cli.completion import DTYPES, PAPER_MODELS, PRESETS, SHELLS, WAYS, words
from mata_audio.cli.main import build_parser
from mata_audio.evaluation.tasks import TASKS
from mata_audio.methods import METHODS
from mata_audio.steering.formulas import FORMULAS

pytest.importorskip("shtab")

BASH = """\
source mata.bash
COMP_WORDS=("$@")
COMP_CWORD=$(( $# - 1 ))
_shtab_mata mata "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}"
printf '%s\\n' "${COMPREPLY[@]}"
"""


def commands() -> dict[str, argparse.ArgumentParser]:
    return dict(build_parser()._subparsers._group_actions[0].choices)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    """The options of a command that its help names."""
    shown = [action for action in parser._actions if action.help != argparse.SUPPRESS]
    return {word for action in shown for word in action.option_strings}


@pytest.fixture
def folder(mata: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the three scripts, a file and a folder."""
    for shell in SHELLS:
        outcome = mata("completion", shell)
        assert (outcome.code, outcome.err) == (0, "")
        (tmp_path / f"mata.{shell}").write_text(outcome.out)
    (tmp_path / "clip.wav").touch()
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    return tmp_path


def ran(*command: str) -> str:
    """Return what a shell prints, without files of its user's."""
    shell = shutil.which(command[0])
    if shell is None:
        pytest.skip(f"{command[0]} is not installed")
    home = {"HOME": os.devnull, "XDG_CONFIG_HOME": os.devnull, "TERM": "dumb"}
    done = subprocess.run(
        [shell, *command[1:]],
        capture_output=True,
        text=True,
        env={**os.environ, **home},
        check=False,
        timeout=60,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def bash(*line: str) -> set[str]:
    """Return what bash offers for the last of the words, which may be empty."""
    return set(ran("bash", "--norc", "-c", BASH, "bash", *line).split())


def fish(line: str) -> set[str]:
    told = ran("fish", "--no-config", "-c", f"source mata.fish; complete -C {line!r}")
    return {own.partition("\t")[0] for own in told.splitlines()}


LINES = [
    ("mata ", set(commands())),
    ("mata ev", {"eval"}),
    ("mata eval tiny --task ", set(TASKS)),
    ("mata study tiny --report-task mm", {"mmau", "mmar", "mmsu", "mmau-pro"}),
    ("mata ask tiny What? --method ", set(METHODS)),
    ("mata methods ma", {"mass", "mata"}),
    ("mata sweep tiny --preset pap", {"paper-layers", "paper-alpha"}),
    ("mata sweep tiny --formulas ", set(FORMULAS)),
    ("mata choose tiny --by grad", {"gradient", "gradient-heads"}),
    ("mata info ", {"tiny", "runs"}),
    ("mata eval tiny --dtype ", set(DTYPES)),
    ("mata report runs --clips ", {"auto", "embed", "some", "link", "none"}),
    ("mata score ", {"mmau", "mmar", "mmsu", "air-bench"}),
    ("mata completion ", set(SHELLS)),
    ("mata ask tiny What? --audio cl", {"clip.wav"}),
    ("mata eval tiny --out ru", {"runs"}),
]


@pytest.mark.parametrize(("line", "offered"), LINES)
def test_what_bash_offers(line: str, offered: set[str], folder: Path) -> None:
    assert bash(*line.split(" ")) == offered


@pytest.mark.parametrize(("line", "offered"), LINES)
def test_what_fish_offers(line: str, offered: set[str], folder: Path) -> None:
    assert {own.rstrip("/") for own in fish(line)} == offered


def test_every_option_of_every_command(folder: Path) -> None:
    for name, parser in commands().items():
        wanted = options_of(parser)
        assert len(wanted) > 1
        assert bash("mata", name, "-") == wanted, name
        assert {own for own in fish(f"mata {name} -") if own.startswith("--")} == {
            own for own in wanted if own.startswith("--")
        }, name


def test_words_are_those_of_the_commands() -> None:
    actions = [action for parser in commands().values() for action in parser._actions]
    known = {word for action in actions for word in action.option_strings or [action.dest]}
    assert set(words()) <= known


def test_words_that_are_written_twice() -> None:
    from mata_audio.evaluation.choosing.choose import WAYS as ways
    from mata_audio.evaluation.reproduction.paper import MODELS as models
    from mata_audio.evaluation.sweep.grid import PRESETS as presets
    from mata_audio.models.loading import DTYPES as dtypes

    assert set(PRESETS) == set(presets)
    assert set(WAYS) == set(ways)
    assert dtypes == DTYPES
    assert set(PAPER_MODELS) == set(models)


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("mata eva", "mata eval"),
        ("mata eval tiny --tas", "--task"),
        ("mata choose tiny --by knock", "--by knockout"),
        ("mata eval tiny --task mmau-", "--task mmau-pro"),
        ("mata report ru", "mata report runs"),
    ],
)
def test_what_zsh_completes(line: str, offered: str, folder: Path) -> None:
    """A line is typed into a terminal with zsh, and then the Tab key."""
    if shutil.which("zsh") is None:
        pytest.skip("zsh is not installed")
    script = folder / "functions" / "_mata"
    script.parent.mkdir()
    (folder / "mata.zsh").rename(script)
    pid, terminal = pty.fork()
    if pid == 0:
        os.execvp("zsh", ["zsh", "-f", "-i"])
    try:
        start = "fpath+=$PWD/functions; autoload -Uz compinit; compinit -u -D; print rea''dy"
        os.write(terminal, f"{start}\n".encode())
        until(terminal, "ready")
        os.write(terminal, f"{line}\t".encode())
        until(terminal, offered)
    finally:
        os.kill(pid, signal.SIGKILL)
        os.waitpid(pid, 0)
        os.close(terminal)


def until(terminal: int, text: str) -> None:
    """Read from a terminal until ``text`` is there; fail if it does not come."""
    told = b""
    while text not in re.sub("\x1b\\[[0-9;?]*[a-zA-Z]", "", told.decode(errors="replace")):
        assert select.select([terminal], [], [], 30)[0], told
        told += os.read(terminal, 65_536)
