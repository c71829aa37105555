"""One grammar for all commands: what stands first, and what each option means wherever it is."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from typing import Any

import pytest

from mata_audio.cli.main import build_parser

FIRST = {
    "ask": "MODEL",
    "eval": "MODEL",
    "profile": "MODEL",
    "sweep": "MODEL",
    "choose": "MODEL",
    "study": "MODEL",
    "serve": "MODEL",
    "web": "MODEL",
    "info": "MODEL",
    "doctor": "MODEL",
    "report": "RUN",
    "pictures": "RUN",
    "rescore": "RUN",
    "compare": "RUN[:SETTING]",
    "score": "BENCHMARK",
    "reproduce": "paper",
    "methods": "NAME",
    "completion": "SHELL",
    "demo": None,
}
"""The first argument of each command; those that load one model take it first."""

FLAG = "flag"
"""The value of an option that takes none."""

MEANS = {
    "--actors": "N",
    "--all-families": FLAG,
    "--alpha": "NUMBER",
    "--alphas": "LIST",
    "--attention": "NAME",
    "--audio": "FILE",
    "--baseline-only": FLAG,
    "--batch-size": "N",
    "--batching": "auto|exact|padded",
    "--by": "WAY",
    "--carry": "FILE",
    "--chat": FLAG,
    "--check": "FILE",
    "--choose-items": "N",
    "--choose-on": "SPLIT",
    "--clips": "auto|embed|some|link|none",
    "--data": "PATH",
    "--device": "DEVICE",
    "--dry-run": FLAG,
    "--dtype": "DTYPE",
    "--fit": "HOW",
    "--fit-seed": "N",
    "--folds": "N",
    "--formula": "NAME",
    "--formulas": "LIST",
    "--gpus-per-actor": "G",
    "--grid": "FIELD=LIST",
    "--heads": "RANGE",
    "--hold": "X",
    "--host": "ADDRESS",
    "--html": "FILE",
    "--ids": "IDS",
    "--items": "N",
    "--join": "STUDY",
    "--json": "FILE",
    "--keep": "KEY=GROUP",
    "--keep-clips": "FOLDER",
    "--kinds": "LIST",
    "--layers": "RANGE",
    "--leave-out": "KEY",
    "--listen": "ID",
    "--long-audio": "cut|fail",
    "--max-errors": "N",
    "--max-megabytes": "N",
    "--max-new-tokens": "N",
    "--method": "NAME",
    "--methods": "LIST",
    "--model": "KEY=PATH",
    "--new-tokens": "N",
    "--no-ablations": FLAG,
    "--no-compare": FLAG,
    "--no-unheard": FLAG,
    "--on": "here|ray",
    "--only": "KEY",
    "--open": FLAG,
    "--option": "FIELD=VALUE",
    "--out": "FOLDER",
    "--penalty": "X",
    "--picture": "FILE",
    "--pictures": "FOLDER",
    "--port": "N",
    "--preset": "NAME",
    "--ray-address": "ADDRESS",
    "--reader": "NAME",
    "--report-data": "PATH",
    "--report-on": "SPLIT",
    "--report-task": "NAME",
    "--retry-errors": FLAG,
    "--rows": "NAME",
    "--seed": "N",
    "--setting": "SPEC",
    "--settings": "FILE",
    "--shape": "per-head|per-layer|shared",
    "--share": FLAG,
    "--split": "NAME",
    "--split-seed": "N",
    "--spread-penalty": "X",
    "--steps": "N",
    "--task": "NAME",
    "--template": "NAME",
    "--tokens": "NAME",
    "--trust-remote-code": FLAG,
    "--tuning-share": "SHARE",
    "--unheard": FLAG,
    "--where": "KEY=VALUES",
    "--with-contrast": FLAG,
    "--workers": "N",
}
"""What each option takes, in every command that has it."""

READS_A_MODEL = {"ask", "eval", "profile", "sweep", "choose", "study", "serve", "web", "doctor"}
RUNS_A_BENCHMARK = {"eval", "sweep", "choose", "study", "reproduce"}

TOGETHER = {
    ("--device", "--dtype", "--attention", "--trust-remote-code"): READS_A_MODEL | {"reproduce"},
    ("--items", "--batch-size", "--batching", "--max-errors", "--retry-errors", "--workers"): (
        RUNS_A_BENCHMARK
    ),
    ("--out",): RUNS_A_BENCHMARK | {"demo", "pictures"},
    ("--task",): {"eval", "profile", "sweep", "choose", "study"},
}
"""Options that a user who knows one of these commands expects of all of them."""

Command = argparse.ArgumentParser


def all_commands() -> dict[str, Command]:
    (actions,) = (
        own for own in build_parser()._actions if isinstance(own, argparse._SubParsersAction)
    )
    return dict(actions.choices)


COMMANDS = all_commands()


def options(command: Command) -> Iterator[tuple[str, argparse.Action]]:
    """The options of a command that have a long name, but for those of every command."""
    for action in command._actions:
        for name in action.option_strings:
            if name.startswith("--") and name not in ("--help", "--debug"):
                yield name, action


def taken(action: argparse.Action) -> str:
    """What an option takes: its word in the help, its choices, or nothing."""
    if action.nargs == 0:
        return FLAG
    if action.metavar is None:
        return "|".join(map(str, action.choices or ()))
    return str(action.metavar)


def test_every_command_is_in_the_table() -> None:
    assert set(COMMANDS) == set(FIRST)


@pytest.mark.parametrize(("name", "first"), FIRST.items(), ids=FIRST)
def test_what_stands_first(name: str, first: str | None) -> None:
    places = [own for own in COMMANDS[name]._actions if not own.option_strings]
    assert (places[0].metavar if places else None) == first
    if first == "MODEL":
        assert places[0].dest == "model"
        assert "a local folder or a hub id" in str(places[0].help)


@pytest.mark.parametrize("name", COMMANDS)
def test_an_option_takes_the_same_everywhere(name: str) -> None:
    for option, action in options(COMMANDS[name]):
        assert taken(action) == MEANS[option], option


def test_the_table_holds_no_option_of_the_past() -> None:
    assert set(MEANS) == {name for own in COMMANDS.values() for name, _ in options(own)}


@pytest.mark.parametrize(("together", "where"), TOGETHER.items(), ids=[own[0] for own in TOGETHER])
def test_options_that_come_together(together: tuple[str, ...], where: set[str]) -> None:
    for name in where:
        assert set(together) <= {option for option, _ in options(COMMANDS[name])}, name


def test_an_option_is_read_in_the_same_way_everywhere() -> None:
    """No command reads a value as a path, or as a number, that another takes as a text."""
    kinds: dict[str, set[Any]] = {}
    for command in COMMANDS.values():
        for option, action in options(command):
            kinds.setdefault(option, set()).add(getattr(action.type, "__name__", None))
    mixed = {option: found for option, found in kinds.items() if len(found) > 1}
    assert not mixed
