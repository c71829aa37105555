"""Fields of methods from words, and settings back into words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import pytest

from mata_audio import MATA, SettingsError
from mata_audio.methods import METHODS, Changes, Contrast, Mass, Method
from mata_audio.methods.method import ordered_fields
from mata_audio.settings.from_words import fields_from
from mata_audio.settings.in_words import cost, describe, short_name
from mata_audio.steering.rule import UNHEARD, Change, FirstLook, Rule


@pytest.mark.parametrize(
    ("cls", "words", "expected"),
    [
        (MATA, {"alpha": "0.2", "formula": "add"}, MATA(alpha=0.2, formula="add")),
        (MATA, {"layers": "3,5-7", "heads": "0-1"}, MATA(layers=(3, 5, 6, 7), heads=(0, 1))),
        (MATA, {"layers": "paper", "heads": "all"}, MATA()),
        (MATA, {"layers": "all"}, MATA(layers="all")),
        (MATA, {"rows": "random-8", "seed": "3"}, MATA(rows="random-8", seed=3)),
        (MATA, {"tokens": "image,audio"}, MATA(tokens="audio,image")),
        (Mass, {"clipped": "true", "alpha": "-1"}, Mass(alpha=-1, clipped=True)),
        (Mass, {"clipped": "false"}, Mass()),
        (Contrast, {"power": "0", "cut": "1e-2"}, Contrast(power=0, cut=0.01)),
        (Contrast, {"on_no_audio": "ignore"}, Contrast(on_no_audio="ignore")),
    ],
)
def test_values_are_read_by_type(
    cls: type[Method], words: dict[str, str], expected: Method
) -> None:
    assert cls(**fields_from(cls, words)) == expected


@pytest.mark.parametrize(
    ("cls", "words", "said"),
    [
        (Contrast, {"layers": "3"}, "contrast has no field 'layers'; it has alpha, power, cut"),
        (Mass, {"formula": "add"}, "mass has no field 'formula'; it has alpha, layers"),
        (Contrast, {"power": "high"}, "power must be a number; got 'high'"),
        (MATA, {"seed": "1.5"}, "seed must be a whole number; got '1.5'"),
        (Mass, {"clipped": "True"}, "clipped must be true or false; got 'True'"),
        (MATA, {"gains": "[[1]]"}, "gains of mata cannot be written in words"),
    ],
)
def test_what_cannot_be_read(cls: type[Method], words: dict[str, str], said: str) -> None:
    with pytest.raises(SettingsError, match=said.replace("[", r"\[")):
        fields_from(cls, words)


@pytest.mark.parametrize("name", METHODS)
def test_every_field_is_read_or_refused_with_a_reason(name: str) -> None:
    """A field of a new type must not go unnoticed: it needs a line in ``from_words``."""
    cls = METHODS[name]
    for own in ordered_fields(cls):
        said = ""
        try:
            fields_from(cls, {own.name: "?"})
        except SettingsError as error:
            said = str(error)
        if said or own.type not in ("str", "Iterable[int] | str | None"):
            assert said.startswith(own.name)
            assert "must be" in said or said.endswith("give it with --settings")


@dataclass(frozen=True)
class _Scripted(Method):
    """Nothing that runs; ``name`` is empty, so that it is no method of the program."""

    scripted: ClassVar[Rule]

    def rule(self) -> Rule:
        return self.scripted


LOUD, QUIET = Change("multiply", 0.15), Change("multiply", -0.05, keys="first")


@pytest.mark.parametrize(
    ("rule", "expected"),
    [
        (Rule(((LOUD,),)), "1 row a token, shares the prefill"),
        (
            Rule(((), UNHEARD), combine=lambda logits: logits[0]),
            "2 rows a token, shares the prefill",
        ),
        (
            Rule(((LOUD,),), look=FirstLook(lambda logits: logits)),
            "1 row a token, 1 more pass an answer, shares the prefill",
        ),
        (
            Rule(((LOUD,),), look=FirstLook(lambda logits: logits, True)),
            "1 row a token, 1 more pass a token, shares the prefill",
        ),
        (
            Rule(((),), others=("silence",)),
            "1 row a token, a second prompt (silence), shares the prefill",
        ),
        (Mass(rows="all").rule(), "1 row a token, a prefill of its own"),
    ],
)
def test_costs(rule: Rule, expected: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Scripted, "scripted", rule, raising=False)
    assert cost(_Scripted()) == expected


def test_what_settings_do_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    assert describe(Mass(layers="2-3"), 12, 4) == "mass, alpha 1, layers 2-3 of 0-11, all heads"
    assert describe(Contrast(power=0), 12, 4) == "contrast, alpha 2, power 0, cut 0.1"
    assert describe(Contrast(alpha=0), 12, 4) == "contrast, alpha 0, power 2, cut 0.1"
    clipped = describe(Mass(clipped=True, layers="2-3"), 12, 4)
    assert clipped == "mass, alpha 1, clipped: clipped_mass, alpha 1, layers 2-3 of 0-11, all heads"
    monkeypatch.setattr(_Scripted, "scripted", Rule(((LOUD, QUIET),)), raising=False)
    monkeypatch.setattr(_Scripted, "name", "two")
    both = "multiply, alpha 0.15, layers 4-8 of 0-11, all heads and multiply, alpha -0.05, layers"
    assert describe(_Scripted(), 12, 4).startswith(f"two: {both} 4-8 of 0-11, all heads, first ")


def test_several_changes_are_named_and_said_in_words() -> None:
    quieter = {"formula": "multiply", "alpha": -0.1, "keys": "first", "layers": "2-3"}
    setting = Changes([{"formula": "mass", "alpha": 0.5}, quieter], contrast=1)
    named = "changes, mass 0.5 of audio and multiply -0.1 of first (layers 2-3), contrast 1"
    assert short_name(setting) == named
    said = describe(setting, 12, 4)
    assert said.startswith(
        "changes, contrast 1: mass, alpha 0.5, layers 4-8 of 0-11, all heads and"
    )
    assert said.endswith(" and multiply, alpha -0.1, layers 2-3 of 0-11, all heads, first tokens")
    only = describe(Changes([quieter]), 12, 4)
    assert only == "changes: multiply, alpha -0.1, layers 2-3 of 0-11, all heads, first tokens"


def test_a_look_is_said_in_words(monkeypatch: pytest.MonkeyPatch) -> None:
    rule = Rule(((LOUD,),), look=FirstLook(lambda logits: logits))
    monkeypatch.setattr(_Scripted, "scripted", rule, raising=False)
    monkeypatch.setattr(_Scripted, "name", "looking")
    said = describe(_Scripted(), 12, 4)
    assert said.startswith("looking: multiply, alpha 0.15")
    assert said.endswith(", all heads, scaled by a first look")


def test_short_names_name_the_method_unless_it_is_the_papers() -> None:
    assert short_name(MATA(alpha=0.2)) == "alpha 0.2"
    assert short_name(Mass(alpha=0.5, clipped=True)) == "mass, alpha 0.5, clipped"
    assert short_name(Contrast(cut=0)) == "contrast, alpha 2, cut 0"
