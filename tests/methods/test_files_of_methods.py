"""Settings of every method as JSON, and wrong values of every field."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from entries import Entry, each

from mata_audio import MATA, MataError, SettingsError, SettingsTypeError
from mata_audio.methods import METHODS, Changes, Method
from mata_audio.methods.method import ordered_fields
from mata_audio.settings.in_words import describe, short_name
from mata_audio.steering.rule import Change

WRONG: dict[str, list[tuple[Any, type]]] = {
    "float": [("high", SettingsTypeError), (True, SettingsTypeError), (math.nan, SettingsError)],
    "str": [(3, SettingsTypeError), ("nonsense of 0", SettingsError)],
    "bool": [("yes", SettingsTypeError)],
    "int": [("one", SettingsTypeError), (-1, SettingsError)],
}
"""By a field's type: values that are not allowed, with the error."""


@pytest.mark.parametrize(**each())
def test_saving_and_loading(entry: Entry, tmp_path: Path) -> None:
    for method in (entry.method, type(entry.method)(), *entry.neutral):
        method.save(tmp_path / "setting.json")
        for reader in (Method, type(method)):
            loaded = reader.load(tmp_path / "setting.json")
            assert loaded == method
            assert type(loaded) is type(method)
            assert loaded.rule().views == method.rule().views
        data = json.loads((tmp_path / "setting.json").read_text())
        assert data == method.as_data()
        assert data["method"] == method.name
        assert hash(loaded) == hash(method)


@pytest.mark.parametrize(**each())
def test_names_differ_between_settings_and_words_are_found(entry: Entry) -> None:
    own = type(entry.method)()
    assert short_name(own) != short_name(entry.method)
    assert describe(entry.method, 4, 4)
    assert "\n" not in describe(entry.method, 4, 4)


FIELDS = [(cls, own) for cls in METHODS.values() for own in ordered_fields(cls)]


@pytest.mark.parametrize(
    ("cls", "own"), FIELDS, ids=[f"{cls.name}-{own.name}" for cls, own in FIELDS]
)
def test_wrong_values_name_the_field(cls: type[Method], own: Any) -> None:
    kinds = [kind.strip() for kind in str(own.type).split("|")]
    tried = 0
    for value, error in (pair for kind in kinds for pair in WRONG.get(kind, [])):
        if "int" in kinds and value == -1 and own.name != "seed":
            continue
        if isinstance(value, bool) and "bool" in kinds:
            continue
        with pytest.raises(error, match=own.name) as raised:
            cls(**{own.name: value})
        assert isinstance(raised.value, MataError)
        assert "\n" not in str(raised.value)
        tried += 1
    assert tried or own.name in ("gains", "changes", "heads"), "write what is wrong for this type"


@pytest.mark.parametrize("cls", METHODS.values(), ids=list(METHODS))
def test_unknown_fields_are_refused(cls: type[Method], tmp_path: Path) -> None:
    path = tmp_path / "setting.json"
    path.write_text(json.dumps({**cls().as_data(), "alfa": 1}))
    with pytest.raises(SettingsError, match="unknown field 'alfa'"):
        Method.load(path)


GOOD: dict[str, Any] = {"formula": "mass", "alpha": 1}


@pytest.mark.parametrize(
    ("changes", "error", "words"),
    [
        ("mass", SettingsTypeError, "changes must be a list of changes; got 'mass'"),
        (GOOD, SettingsTypeError, "changes must be a list of changes"),
        (3, SettingsTypeError, "changes must be a list of changes; got 3"),
        ([3], SettingsTypeError, r"changes\[0\]: it must be a mapping with 'formula', 'alpha'"),
        ([{**GOOD, "alfa": 1}], SettingsError, r"changes\[0\]: unknown field 'alfa' .*; allowed"),
        ([{"alpha": 1}], SettingsError, r"changes\[0\]: formula is missing"),
        ([{"formula": "mass"}], SettingsError, r"changes\[0\]: alpha is missing"),
        ([GOOD, {**GOOD, "formula": "halve"}], SettingsError, r"changes\[1\]: formula must be one"),
        ([{**GOOD, "formula": "knockout"}], SettingsError, r"formula must be one of"),
        ([{**GOOD, "alpha": "1"}], SettingsTypeError, r"changes\[0\]: alpha must be a number"),
        ([{**GOOD, "alpha": math.inf}], SettingsError, r"alpha must be a finite number"),
        ([{**GOOD, "keys": 3}], SettingsTypeError, r"changes\[0\]: keys must be out of audio"),
        ([{**GOOD, "keys": "A b"}], SettingsError, r"changes\[0\]: keys must be out of audio"),
        ([{**GOOD, "layers": "x"}], SettingsError, r"changes\[0\]: layers='x' cannot be read"),
        ([{**GOOD, "heads": [-1]}], SettingsError, r"changes\[0\]: heads must be 0 or more"),
        ([{**GOOD, "gains": [[1], [1, 2]]}], SettingsError, r"changes\[0\]: gains must have a row"),
        ([{**GOOD, "gains": [[1]], "layers": "all"}], SettingsError, r"give either gains, or"),
        ([Change("mass", math.nan)], SettingsError, r"changes\[0\]: alpha must be a finite"),
    ],
)
def test_wrong_changes_say_which(changes: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words) as raised:
        Changes(changes)
    assert isinstance(raised.value, MataError)


def test_changes_are_read_in_one_way() -> None:
    from_mapping = Changes([{**GOOD, "keys": "first,audio", "layers": range(3), "heads": "1-2"}])
    from_change = Changes((Change("mass", 1.0, "audio,first", "0-2", [2, 1]),))
    assert from_mapping == from_change
    assert from_mapping.changes == (Change("mass", 1.0, "audio,first", (0, 1, 2), (1, 2)),)
    assert replace(from_change, contrast=1.0).rule().views[0] == from_mapping.rule().views[0]


def test_gains_of_changes_are_written_one_layer_a_line(tmp_path: Path) -> None:
    method = Changes([{**GOOD, "gains": [[0.25, -1.0], [0.0, 3.0]]}])
    method.save(tmp_path / "setting.json")
    lines = [line.strip() for line in (tmp_path / "setting.json").read_text().splitlines()]
    assert "[0.25, -1.0]," in lines
    assert "[0.0, 3.0]" in lines


def test_a_file_of_another_method_is_refused(tmp_path: Path) -> None:
    Changes([GOOD]).save(tmp_path / "setting.json")
    with pytest.raises(SettingsError, match=r"holds a setting of changes, not of mata"):
        MATA.load(tmp_path / "setting.json")
