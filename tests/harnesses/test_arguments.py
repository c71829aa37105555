"""What a harness hands to a model: words, or what it made of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mata_audio import MATA
from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.harnesses.arguments import read_arguments
from mata_audio.methods import Contrast, Mass, Method


@pytest.mark.parametrize(
    ("given", "method"),
    [
        ({}, None),
        ({"alpha": None}, None),
        ({"method": "mata"}, MATA()),
        ({"alpha": 0.2, "layers": "10-20"}, MATA(alpha=0.2, layers="10-20")),
        ({"alpha": "0.2", "layers": ["3", "5-7"]}, MATA(alpha=0.2, layers="3,5-7")),
        ({"alpha": 2, "layers": 4, "heads": [0, 3]}, MATA(alpha=2.0, layers="4", heads="0,3")),
        ({"alpha": 0.1, "layers": '"3,5"'}, MATA(alpha=0.1, layers="3,5")),
        ({"formula": "add", "alpha": 1e-3}, MATA(formula="add", alpha=0.001)),
        ({"method": "mass", "alpha": 1}, Mass(alpha=1)),
        ({"method": "contrast", "power": 2}, Contrast(power=2)),
    ],
)
def test_a_setting(given: dict[str, Any], method: Method | None) -> None:
    assert read_arguments(given).method == method


def test_a_file(tmp_path: Path) -> None:
    file = tmp_path / "best.json"
    Mass(alpha=0.5, layers="2-3").save(file)
    assert read_arguments({"settings": str(file)}).method == Mass(alpha=0.5, layers="2-3")
    with pytest.raises(SettingsError, match="is a whole setting: leave out alpha"):
        read_arguments({"settings": str(file), "alpha": 1})
    with pytest.raises(FileNotFoundError):
        read_arguments({"settings": str(tmp_path / "none.json")})


def test_how_to_load() -> None:
    given = {"device": "cpu", "dtype": "bfloat16", "trust_remote_code": True}
    read = read_arguments({**given, "long_audio": "fail"})
    assert (read.loading, read.cut_long_audio, read.method) == (given, False, None)
    assert read_arguments({}).cut_long_audio


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"alpha": "strong"}, "alpha must be a number; got 'strong'"),
        ({"alpha": True}, "alpha must be a number; got 'true'"),
        ({"alpha": 1e9}, "finite number"),
        ({"layers": "5-3", "alpha": 1}, "layers"),
        ({"strength": 1}, "no argument is called 'strength'"),
        ({"devise": "cpu"}, "a model has device, dtype"),
        ({"method": "magic"}, "no method 'magic'"),
        ({"long_audio": "hear"}, "long_audio must be one of cut, fail"),
        ({"trust_remote_code": "yes"}, "trust_remote_code must be true or false"),
    ],
)
def test_arguments_that_are_wrong(given: dict[str, Any], message: str) -> None:
    with pytest.raises((SettingsError, SettingsTypeError), match=message):
        read_arguments(given)
