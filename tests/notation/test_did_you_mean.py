"""Suggestions: the closest name that exists, and none for a word that is far from all."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mata_audio import MATA, SettingsError
from mata_audio.evaluation.sweep import preset
from mata_audio.evaluation.tasks import task_named
from mata_audio.methods import AAD, Changes
from mata_audio.methods.method import method_from, method_named
from mata_audio.notation.did_you_mean import closest, did_you_mean
from mata_audio.notation.keys import read_keys
from mata_audio.settings.from_words import fields_from, fields_of

FAR_OFF = "xylophone"


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("multply", "multiply"),
        ("MULTIPLY", "multiply"),
        ("--multiply", "multiply"),
        ("divide", None),
        ("mass", "mass"),
        ("mas", "mass"),
        ("", None),
        ("m", None),
    ],
)
def test_the_closest_name(given: str, expected: str | None) -> None:
    assert closest(given, ["multiply", "mass", "clipped_mass"]) == expected


def test_of_equally_close_names_one_of_the_same_letters_is_meant() -> None:
    assert closest("mmua", ["mmsu", "mmau", "mmar"]) == "mmau"


def test_endings_of_messages() -> None:
    assert did_you_mean("mas", ["mass"]) == ' (did you mean "mass"?)'
    assert did_you_mean(FAR_OFF, ["mass"]) == ""
    assert did_you_mean(3, ["mass"]) == ""
    assert did_you_mean("mas", []) == ""


def test_dashes_make_no_option_like_another() -> None:
    """``--my`` and ``--by`` share four of five letters only with their dashes."""
    assert closest("--my", ["--by"]) is None
    assert closest("--formla", ["--formula", "--format"]) == "--formula"


PLACES: dict[str, tuple[Callable[[str], Any], str, str]] = {
    "method": (method_named, "contrats", "contrast"),
    "field in a file": (lambda name: method_from({name: 1}, "file"), "aplha", "alpha"),
    "field in words": (lambda name: fields_from(MATA, {name: "1"}), "hedas", "heads"),
    "field of a change": (lambda name: Changes([{name: "add"}]), "forumla", "formula"),
    "formula": (lambda name: MATA(formula=name), "aboslute", "absolute"),
    "another choice": (lambda name: AAD(view=name), "silense", "silence"),
    "rows": (lambda name: MATA(rows=name), "after_audio", "after-audio"),
    "counted rows": (lambda name: MATA(rows=name), "last8", "last-8"),
    "tokens": (lambda name: MATA(tokens=f"image,{name}"), "adio", "audio"),
    "keys": (read_keys, "TEXT", "text"),
    "layers": (lambda name: MATA(layers=name), "al", "all"),
    "the paper's layers": (
        lambda name: MATA(**fields_from(MATA, {"layers": name})),
        "papre",
        "paper",
    ),
    "preset": (lambda name: fields_of(name, "request"), "ppaer", "paper"),
    "unmodified": (lambda name: fields_of(name, "request"), "offf", "off"),
    "sweep": (lambda name: preset(name, 28), "paper-layer", "paper-layers"),
    "task": (task_named, "mmua", "mmau"),
}


@pytest.mark.parametrize("place", PLACES)
def test_where_a_name_is_refused(place: str) -> None:
    read, typo, meant = PLACES[place]
    with pytest.raises(SettingsError) as caught:
        read(typo)
    assert f'(did you mean "{meant}"?)' in str(caught.value)
    with pytest.raises(SettingsError) as caught:
        read(FAR_OFF.upper() if place == "keys" else FAR_OFF)
    assert "did you mean" not in str(caught.value)
