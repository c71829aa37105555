"""Every ``mata`` command of the documentation is one that the parser takes; cheap ones are run."""

from __future__ import annotations

import contextlib
import io
import re
import shlex

import pytest
from pages_of_docs import BLOCKS, Block, commands

from mata_audio.cli.main import build_parser, main

SHELL = [block for block in BLOCKS if block.language == "shell"]
RUN = [block for block in SHELL if block.key == "needs" and block.page != "docs/tutorial.md"]
LEFT_OUT = {
    "eval": ["MODEL", "--task", "tiny", "--out", "runs/left-out"],
    "sweep": ["MODEL", "--task", "tiny", "--out", "runs/left-out"],
}
"""What ``...`` stands for, by command."""


def words(command: str) -> list[str]:
    """The words of a command, without comments, redirections and what stands for others."""
    before, *rest = shlex.split(command, comments=True)
    for sign in {"<", ">"} & set(rest):
        rest = rest[: rest.index(sign)]
    if "..." in rest:
        place = rest.index("...")
        rest[place : place + 1] = LEFT_OUT[rest[0]]
    return [before, *rest]


@pytest.mark.parametrize("block", SHELL, ids=str)
def test_commands_are_ours(block: Block) -> None:
    for command in commands(block):
        if command.startswith("mata "):
            assert refusal(command) == "", command


def refusal(command: str) -> str:
    """What the parser has against a command; "" if it takes it."""
    said = io.StringIO()
    try:
        with contextlib.redirect_stderr(said):
            build_parser().parse_args(words(command)[1:])
    except SystemExit:
        return said.getvalue()
    return ""


def test_a_wrong_command_is_found() -> None:
    assert "--itmes" in refusal("mata demo --itmes 200   # quick")
    assert "invalid choice" in refusal("mata asks tiny hello")


@pytest.mark.parametrize("block", BLOCKS, ids=str)
def test_blocks_say_what_they_are(block: Block) -> None:
    assert block.language in {"shell", "python", "text", "json", "bibtex"}
    assert block.key in {"", "needs", "file", "printed", "not run"}
    if block.language == "text":
        assert not re.search(r"^(mata|pip|make) [a-z]", block.text, re.MULTILINE)


@pytest.mark.parametrize("block", RUN, ids=str)
def test_commands_run(
    block: Block, prepared: dict[str, object], capsys: pytest.CaptureFixture[str]
) -> None:
    for command in commands(block):
        found = words(command)
        assert found[0] == "mata"
        assert main(found[1:]) == 0, f"{command}\n{capsys.readouterr().err}"
