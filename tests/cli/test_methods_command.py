"""``mata methods``: every method and every field, without a heavy import."""

from __future__ import annotations

import subprocess
import sys

import pytest
from running import Mata, error_line

from mata_audio.methods import METHODS, Method
from mata_audio.methods.method import ordered_fields
from mata_audio.settings.from_words import can_be_written, to_words, value_from


def test_the_table(mata: Mata) -> None:
    outcome = mata("methods")
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 100
    blocks = {block.split()[0]: block for block in outcome.out.split("\n\n")}
    assert next(iter(blocks)) == "mata"
    assert set(blocks) == set(METHODS)
    for name, block in blocks.items():
        words = " ".join(block.split())
        assert METHODS[name].summary in words
        assert METHODS[name].source in words
        for own in ordered_fields(METHODS[name]):
            assert own.name == "on_no_audio" or f" {own.name} " in words
    assert "alpha 2, power 2, cut 0.1" in blocks["contrast"]
    assert "2 rows a token, shares the prefill" in blocks["contrast"]
    assert "1 row a token, a prefill of its own" in blocks["vaf"]


@pytest.mark.parametrize("name", METHODS)
def test_one_method(mata: Mata, name: str) -> None:
    outcome = mata("methods", name)
    assert outcome.code == 0
    assert outcome.out.startswith(f"{name}: {METHODS[name].summary}\n")
    assert ":class:" not in outcome.out
    assert "Raises:" not in outcome.out
    rows = [line.split() for line in outcome.out.partition("how to give it\n")[2].splitlines()]
    assert [row[0] for row in rows] == [own.name for own in ordered_fields(METHODS[name])]
    for row in rows:  # each is explained
        assert row[0] == "on_no_audio" or f"\n    {row[0]}: " in outcome.out


def test_what_a_base_class_explains(mata: Mata) -> None:
    out = mata("methods", "mass").out
    assert "\nArgs of OneChange:\n    alpha: strength; 0 changes nothing." in out
    assert "alpha         1               --alpha\n" in out
    assert "gains         (in a file)     in a file, with --settings\n" in out
    assert "clipped       false           --option clipped=...\n" in out


def test_no_such_method(mata: Mata) -> None:
    outcome = mata("methods", "magic")
    assert outcome.code == 2
    assert "no method 'magic'; there are " in error_line(outcome)


@pytest.mark.parametrize("name", METHODS)
def test_shown_defaults_are_read_as_the_defaults(name: str) -> None:
    cls = METHODS[name]
    given = {
        own.name: value_from(cls, own.name, to_words(own.name, getattr(cls(), own.name)))
        for own in ordered_fields(cls)
        if can_be_written(own)
    }
    assert cls(**given) == cls()


def test_nothing_heavy_is_imported() -> None:
    code = (
        "import sys, mata_audio.cli.main as m; m.main(['methods']); m.main(['methods', 'pai']); "
        "print([n for n in ('torch', 'transformers', 'numpy', 'scipy') if n in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


def test_every_method_says_what_it_is() -> None:
    for cls in METHODS.values():
        assert issubclass(cls, Method)
        assert cls.summary
        assert cls.source
