"""Words of neighbouring tools and of earlier versions are told what they are called here."""

from __future__ import annotations

import argparse
import re
import shlex

import pytest
from running import Mata, error_line

from mata_audio.cli.main import build_parser
from mata_audio.cli.other_words import COMMANDS, MODEL, OPTIONS


def parsers() -> dict[str, argparse.ArgumentParser]:
    """The parser of each command."""
    return dict(build_parser()._subparsers._group_actions[0].choices)


def options_of(parser: argparse.ArgumentParser) -> set[str]:
    return set(parser._option_string_actions)


@pytest.mark.parametrize("option", OPTIONS)
def test_an_option_by_another_name(option: str, mata: Mata) -> None:
    said, others = OPTIONS[option]
    assert said.startswith(option)
    found = {name: own for name, own in parsers().items() if option in options_of(own)}
    assert found, f"no command has {option}"
    told = set()
    for name, parser in found.items():
        for word in others.split():
            written = f"-{word}" if len(word) == 1 else f"--{word.replace('-', '_')}"
            if {written, f"--{word}"} & options_of(parser):
                continue
            assert said in error_line(mata(name, written, "x"))
            told.add(word)
    assert told == set(others.split())


@pytest.mark.parametrize("word", MODEL.split())
def test_the_model_is_the_first_argument(word: str, mata: Mata) -> None:
    told = []
    for name, parser in parsers().items():
        written = f"-{word}" if len(word) == 1 else f"--{word}"
        outcome = mata(name, written, "tiny")
        has = any(own.metavar == "MODEL" for own in parser._get_positional_actions())
        if has:
            line = error_line(outcome)
            assert f"MODEL is the first argument: mata {name} MODEL" in line
            told.append(name)
        else:
            assert "MODEL is the first argument" not in outcome.err
    assert {"ask", "eval", "sweep", "choose", "study", "info"} <= set(told)


@pytest.mark.parametrize("word", COMMANDS)
def test_a_command_by_another_name(word: str, mata: Mata) -> None:
    assert word not in parsers()
    outcome = mata(word)
    assert outcome.code == 2
    assert f"there is no command {word!r}: {COMMANDS[word]}" in error_line(outcome)
    named = re.findall(r"mata (?!--)(\w+)", COMMANDS[word])
    assert set(named) <= set(parsers())


def test_all_unknown_options_are_told_at_once(mata: Mata) -> None:
    line = error_line(mata(*shlex.split("eval --model x --tasks y --limit 5 --output_path z")))
    for part in ("MODEL is the first argument", "--task NAME", "--items N", "--out FOLDER"):
        assert part in line


def test_a_number_below_zero_is_no_option(mata: Mata) -> None:
    assert "there is no option" not in error_line(mata("score", "mmau", "x", "-1"))
