"""Everything that users hold in a session prints as one short line, without addresses."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, fields, is_dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import mata_audio
from held import STRONG, Held
from mata_audio import MATA
from mata_audio import methods as every_method
from mata_audio.asking import Answer, Asker, FirstWord, Heard, Prompt, Word
from mata_audio.evaluation import (
    Grouping,
    NamedSetting,
    Options,
    Progress,
    Results,
    Task,
)
from mata_audio.evaluation.tasks import TASKS
from mata_audio.families import locate
from mata_audio.methods import METHODS, Changes, Method
from mata_audio.models.audio import Decoded
from mata_audio.models.loading import Loaded
from mata_audio.models.prompter import Prompter
from mata_audio.profiling import Attention, Profile, Timeline
from mata_audio.shown.one_line import MOST, OneLine, call, described, named, short, told

PUBLIC = ("mata_audio", *(f"mata_audio.{own}" for own in ("asking", "evaluation", "profiling")))


HELD: dict[type, tuple[Callable[[Held], Any], str]] = {
    Answer: (lambda own: own.answer, r"<Answer under MATA: '\w+'; first words '.+' \d+\.\d%, .*>"),
    Asker: (lambda own: own.asker, "<Asker of tiny, keeps prompts: 1>"),
    Attention: (lambda own: own.profile.attention["MATA"], "<Attention under mata: 12 layers x 4 "),
    Decoded: (lambda own: own.clip, r"<Decoded: \d\.\d+ s, \d\d,\d{3} samples>"),
    FirstWord: (lambda own: own.answer.first_words[0], r"FirstWord\(text='\w+', probability=0\.\d"),
    Grouping: (lambda own: Grouping("task", "Domain"), r"Grouping\(key='task', heading='Domain'\)"),
    Heard: (lambda own: own.answer.heard, r"<Heard: \d tokens x 12 layers x 4 heads x \d+ steps>"),
    Loaded: (lambda own: own.loaded, "<Loaded tiny: Qwen2Audio.* on cpu, float32>"),
    MATA: (lambda own: STRONG, r"MATA\(alpha=2\.0, layers='3-7'\)"),
    NamedSetting: (lambda own: NamedSetting("a", MATA()), r".*\(name='a', method=MATA\(alpha=0\.1"),
    Options: (lambda own: Options(limit=3, ids=["x"] * 99), r"Options\(limit=3, ids=<99 values>\)"),
    mata_audio.Preset: (
        lambda own: MATA.for_model("Qwen/Qwen2.5-Omni-7B"),
        r"Preset\(model='Qwen/Qwen2.5-Omni-7B', mata=MATA\(alpha=0.1, layers='10-20'\), figures=",
    ),
    Profile: (
        lambda own: own.profile,
        "<Profile: 1 prompt, 12 layers x 4 heads; bas",
    ),
    Progress: (lambda own: Progress(9), r"Progress\(total=9, .*\)"),
    Prompt: (lambda own: own.prompt, r"<Prompt '.*\?': 1 clip, \d+ tokens>"),
    Results: (
        lambda own: own.results,
        r"<Results of tiny test: 6 items; baseline \d+\.\d%, MATA \d+\.\d%>",
    ),
    Task: (lambda own: TASKS["tiny"], "<Task tiny: .*>"),
    Timeline: (lambda own: own.timeline, r"<Timeline: \d+ audio tokens of 1 clip; baseline, MATA>"),
    Word: (lambda own: Word("dog", 0, 1), r"Word\(text='dog', first=0, last=1\)"),
}
"""Public classes: how a session gets one, and what its line begins with."""


def check(line: str) -> None:
    """Check what holds for every line."""
    assert len(line) < 200, line
    assert line.isprintable(), line
    assert not re.search(r" at 0x|object at|array\(|tensor\(|np\.float", line), line


@pytest.mark.parametrize("kind", HELD, ids=lambda kind: kind.__name__)
def test_public_objects(held: Held, kind: type) -> None:
    make, expected = HELD[kind]
    thing = make(held)
    assert isinstance(thing, kind)
    check(repr(thing))
    assert re.match(expected, repr(thing)), repr(thing)


def test_no_public_class_is_forgotten() -> None:
    public = {
        own
        for name in PUBLIC
        for own in (getattr(importlib.import_module(name), one) for one in _names(name))
        if inspect.isclass(own) and not issubclass(own, Exception)
    }
    assert public - HELD.keys() == set()


def _names(package: str) -> list[str]:
    return [name for name in importlib.import_module(package).__all__ if name[0].isupper()]


def test_the_parts_of_results_and_of_a_model(held: Held) -> None:
    results, loaded = held.results, held.loaded
    with STRONG(loaded.model) as applied:
        loaded.model.generate(**held.prompt.inputs, max_new_tokens=2)  # type: ignore[operator]
        check(repr(applied))
        assert repr(applied).startswith("<Attachment on Qwen2Audio")
        assert re.match(
            r"<Receipt: 2 passes, .* layers 3-7 of 12, audio mass", repr(applied.receipt)
        )
    parts: list[Any] = [results.overall, results.overall.paired["MATA"], results.items[0]]
    parts += [*results.settings, *results.groups, *results.items[0].answers.values()]
    parts += [*results.items[0].clips, *results.overall.accuracy.values(), applied, applied.receipt]
    parts += [locate(loaded.model), loaded.family, Prompter.of(loaded), applied.receipt.listening]
    for part in parts:
        check(repr(part))


def test_a_setting_can_be_pasted() -> None:
    shown = [own() for name, own in METHODS.items() if name != "changes"]
    shown += [
        MATA(alpha=1 / 3, layers=range(3, 9), heads=[0, 2], tokens="audio,image", rows="last-8"),
        MATA(layers="9-14 of 32", formula="absolute", on_no_audio="ignore"),
        every_method.Mass(layers="all", clipped=True),
    ]
    for method in shown:
        check(repr(method))
        assert eval(repr(method), {**vars(every_method)}) == method
    assert repr(MATA()) == "MATA(alpha=0.1)"


def test_what_is_too_long_to_paste_is_described() -> None:
    table = np.linspace(-1, 2, 48 * 64).reshape(48, 64)
    assert repr(MATA(gains=table)) == "MATA(alpha=1.0, gains=<48 x 64 gains from -1 to 2>)"
    many = Changes([{"formula": "mass", "alpha": 0.5, "layers": range(0, 99, 2)}] * 40)
    check(repr(many))
    check(repr(MATA(layers=range(0, 900, 2), heads=range(0, 900, 3), tokens="audio,image")))


def test_a_method_of_ones_own_has_the_line_too() -> None:
    @dataclass(frozen=True)
    class Own(Method):
        strength: float = 1.0

    assert repr(Own(0.25)) == "Own(strength=0.25)"


HOSTILE = ("x" * 100_000, "a\nb\r\x00\x1b[31m", "\u202edaer", "\ud800", "<b>'\"\\", "名" * 999)


@pytest.mark.parametrize("name", HOSTILE, ids=range(len(HOSTILE)))
def test_hostile_names(held: Held, name: str) -> None:
    """Lines stay lines, whatever stands in a question file or a model's answer."""
    for own in (held.answer, held.prompt, held.results, held.loaded):
        kept = {one.name for one in fields(own) if one.init}  # type: ignore[arg-type]
        texts = {one: name for one in ("name", "text", "question") if one in kept}
        check(repr(replace(own, **texts)))  # type: ignore[type-var]
    renamed = replace(held.results.settings[1], name=name)
    check(repr(renamed))
    check(repr(replace(held.results, settings=(renamed,) * 9)))
    check(repr(replace(held.profile, attention={name: held.profile.attention["MATA"]})))
    check(repr(NamedSetting(name, None, {name: name})))
    check(described(name))
    check(told({name: name}))
    assert len(short(name)) <= 60
    assert "\n" not in named([name])


def test_only_what_fits_is_told() -> None:
    assert call("f", ["a=1", "b=2"]) == "f(a=1, b=2)"
    assert call("f", ["a" * 100, "b" * 100]) == f"f({'a' * 100}, ...)"
    assert len(call("f", ["a" * 25] * 99)) <= MOST + 20
    assert told([1, 2]) == "[1, 2]"
    assert told((1,)) == "(1,)"
    assert told(list(range(9))) == "<9 values>"
    assert told(np.zeros((2, 3))) == "<2 x 3 float64>"
    assert told(np.float64(1 / 3)) == "0.3333"
    assert told(np.int64(123_456)) == "123456"
    assert told(Path("a/b")) == "'a/b'"
    assert told(object()) == "<object>"
    assert named("abcde") == "a and 4 others"


def test_every_dataclass_of_the_public_folders_has_the_line() -> None:
    """A part that is added later prints as the others do."""
    for module in ("evaluation.results.results", "profiling.result", "asking.answer"):
        found = vars(importlib.import_module(f"mata_audio.{module}")).values()
        own = [one for one in found if inspect.isclass(one) and is_dataclass(one)]
        assert own
        assert all(issubclass(one, OneLine) for one in own), module
