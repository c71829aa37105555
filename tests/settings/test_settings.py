"""Settings: what is accepted, what is refused with which message, and the JSON file."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from mata_audio import MATA, MataError, SettingsError, SettingsTypeError
from mata_audio.notation.layers import format_indices, parse_indices, scaled_paper_layers
from mata_audio.settings.in_words import describe
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.gain_tensor import chosen_layers, gain_tensor

finite = st.floats(-1000, 1000, allow_nan=False)
indices = st.sets(st.integers(0, 60), min_size=1).map(sorted)


def test_defaults_are_the_paper() -> None:
    mata = MATA()
    assert (mata.alpha, mata.formula, mata.tokens) == (0.1, "multiply", "audio")
    assert chosen_layers(mata, 28) == tuple(range(10, 21))


@pytest.mark.parametrize(
    ("layers", "expected"),
    [
        ("10-20", range(10, 21)),
        (range(10, 20), range(10, 20)),  # half-open, as Python reads it
        ("10,12,15-17", [10, 12, 15, 16, 17]),
        (" 3 , 5 - 6 ", [3, 5, 6]),
        ([5, 3, 5], [3, 5]),
        ({7}, [7]),
        (np.arange(2, 4), [2, 3]),
        ("0", [0]),
    ],
)
def test_layers_are_read(layers: Any, expected: Any) -> None:
    assert MATA(layers=layers).layers == tuple(expected)


@pytest.mark.parametrize(
    ("field", "value", "error", "words"),
    [
        ("alpha", math.nan, SettingsError, "alpha must be a finite number"),
        ("alpha", math.inf, SettingsError, "alpha must be a finite number"),
        ("alpha", 10**400, SettingsError, "alpha must be a finite number"),
        ("alpha", "0.1", SettingsTypeError, "alpha must be a number"),
        ("alpha", True, SettingsTypeError, "alpha must be a number"),
        ("gains", 0.1, SettingsTypeError, "gains must be a list of numbers for each layer"),
        ("gains", [0.1], SettingsTypeError, "gains must be a list of numbers for each layer"),
        ("gains", [["a"]], SettingsTypeError, "gains must be numbers"),
        ("gains", [[True]], SettingsTypeError, "gains must be numbers"),
        ("gains", [], SettingsError, "a row for each layer"),
        ("gains", [[]], SettingsError, "a row for each layer"),
        ("gains", [[1, 2], [1]], SettingsError, "rows of 1, 2 numbers"),
        ("gains", [[math.nan]], SettingsError, "gains must be finite"),
        ("gains", [[2000]], SettingsError, "from -1000 to 1000"),
        ("formula", "divide", SettingsError, "'multiply', 'absolute', 'add'"),
        ("formula", 3, SettingsTypeError, "formula must be one of"),
        ("tokens", "images", SettingsError, 'tokens must be "audio", "image", "video", or several'),
        ("tokens", "", SettingsError, "as in \"audio,image\"; got ''"),
        ("tokens", "audio,", SettingsError, "tokens must be"),
        ("tokens", "Audio", SettingsError, "tokens must be"),
        ("tokens", ["audio"], SettingsTypeError, "tokens must be"),
        ("on_no_audio", "warn", SettingsError, "'raise', 'ignore'"),
        ("layers", "", SettingsError, "layers='' cannot be read"),
        ("layers", "a-b", SettingsError, "inclusive"),
        ("layers", "20-10", SettingsError, "runs backwards"),
        ("layers", "-3", SettingsError, "cannot be read"),
        ("layers", [], SettingsError, "layers is empty"),
        ("layers", [-1], SettingsError, "layers must be 0 or more"),
        ("layers", [1.5], SettingsTypeError, "layers must be a range"),
        ("layers", [True], SettingsTypeError, "layers must be a range"),
        ("layers", 3.0, SettingsTypeError, "layers must be a range"),
        ("layers", "0-99999999999", SettingsError, "9999 or less"),
        ("layers", range(10**12), SettingsError, "9999 or less"),
        ("heads", "x", SettingsError, "heads='x' cannot be read"),
        ("heads", [None], SettingsTypeError, "heads must be a range"),
    ],
)
def test_wrong_values_name_the_field(field: str, value: Any, error: type, words: str) -> None:
    with pytest.raises(error, match=words.replace("(", r"\(")) as raised:
        MATA(**{field: value})
    assert isinstance(raised.value, MataError)
    assert isinstance(raised.value, ValueError if error is SettingsError else TypeError)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("image", "image"),
        ("image,audio", "audio,image"),
        (" video , audio,image,audio", "audio,image,video"),
    ],
)
def test_tokens_are_named_once_and_in_order(written: str, kept: str, tmp_path: Path) -> None:
    mata = MATA(tokens=written)
    assert mata.tokens == kept
    mata.save(tmp_path / "mata.json")
    assert json.loads((tmp_path / "mata.json").read_text())["tokens"] == kept
    assert MATA.load(tmp_path / "mata.json") == mata


def test_settings_do_not_change() -> None:
    with pytest.raises(AttributeError):
        MATA().alpha = 1.0  # type: ignore[misc]
    assert MATA(layers="1-2") == MATA(layers=[2, 1])
    assert len({MATA(layers="1-2"), MATA(layers=range(1, 3))}) == 1


@given(depth=st.integers(1, 200))
def test_scaled_layers_fit_every_depth(depth: int) -> None:
    layers = scaled_paper_layers(depth)
    assert len(layers) >= 1
    assert layers == tuple(range(layers[0], layers[-1] + 1))
    assert 0 <= layers[0] <= layers[-1] < depth
    if depth >= 10:  # the same relative depth, to the nearest layer
        assert abs(layers[0] / depth - 10 / 28) <= 0.5 / depth + 1e-9
        assert abs((layers[-1] + 1) / depth - 21 / 28) <= 0.5 / depth + 1e-9


@pytest.mark.parametrize(
    ("depth", "expected"), [(28, (10, 20)), (12, (4, 8)), (32, (11, 23)), (36, (13, 26))]
)
def test_scaled_layers(depth: int, expected: tuple[int, int]) -> None:
    layers = scaled_paper_layers(depth)
    assert (layers[0], layers[-1]) == expected


@given(indices)
def test_index_sets_survive_writing_and_reading(values: list[int]) -> None:
    assert parse_indices("layers", format_indices(tuple(values))) == tuple(values)


def test_out_of_range_says_the_range() -> None:
    with pytest.raises(SettingsError, match=r"layers 30-31 out of range.*28 decoder layers.*0-27"):
        gain_tensor(MATA(layers="27,30-31"), layers=28, heads=4)
    with pytest.raises(SettingsError, match=r"heads 4 out of range.*4 query heads.*0-3"):
        gain_tensor(MATA(heads=[4]), layers=28, heads=4)


@given(alpha=finite, layers=indices, heads=indices)
def test_gains_are_alpha_at_layers_and_heads(
    alpha: float, layers: list[int], heads: list[int]
) -> None:
    gains = gain_tensor(MATA(alpha, layers, heads), layers=61, heads=61)
    assert gains.shape == (61, 1, 61)
    at = [
        [alpha * (layer in layers and head in heads) for head in range(61)] for layer in range(61)
    ]
    np.testing.assert_allclose(gains[:, 0].numpy(), at, rtol=1e-6, atol=1e-30)


def test_a_table_of_gains() -> None:
    table = [[0.0, 0.5], [0.0, 0.0], [-1.0, 2.0]]
    mata = MATA(gains=table)
    assert mata.alpha == 1.0
    assert mata == MATA(gains=np.array(table)) == MATA(gains=torch.tensor(table))
    assert torch.equal(gain_tensor(mata, layers=3, heads=2)[:, 0], torch.tensor(table))
    half = gain_tensor(MATA(alpha=0.5, gains=table), layers=3, heads=2)
    assert torch.equal(half[:, 0], torch.tensor(table) / 2)
    assert chosen_layers(mata, 3) == (0, 2)
    assert describe(mata, layers=3, heads=2) == "multiply, 3 x 2 gains from -1 to 2"


def test_gains_fit_the_model_and_exclude_layers_and_heads() -> None:
    mata = MATA(gains=[[1.0, 1.0]])
    with pytest.raises(SettingsError, match=r"1 layers and 2 heads; this model has 3 layers"):
        gain_tensor(mata, layers=3, heads=2)
    with pytest.raises(SettingsError, match="give either gains, or layers and heads"):
        MATA(gains=[[1.0]], layers="0")


def test_gains_are_written_one_layer_per_line(tmp_path: Path) -> None:
    MATA(gains=[[0.25, -1.0], [0.0, 3.0]]).save(tmp_path / "mata.json")
    lines = (tmp_path / "mata.json").read_text().splitlines()
    assert "    [0.25, -1.0]," in lines
    assert "    [0.0, 3.0]" in lines


shared = {
    "formula": st.sampled_from(list(FORMULAS)),
    "on_no_audio": st.sampled_from(["raise", "ignore"]),
    "rows": st.sampled_from(["last", "all", "after-audio", "last-3", "random-40"]),
    "seed": st.integers(0, 2**40),
}
tables = st.integers(1, 5).flatmap(
    lambda heads: st.lists(st.lists(finite, min_size=heads, max_size=heads), min_size=1)
)


@settings(max_examples=40)
@given(
    st.builds(MATA, alpha=finite, layers=st.none() | indices, heads=st.none() | indices, **shared)
    | st.builds(MATA, alpha=finite, gains=tables, **shared)
)
def test_saving_and_loading(tmp_path_factory: pytest.TempPathFactory, mata: MATA) -> None:
    path = tmp_path_factory.mktemp("settings") / "mata.json"
    mata.save(path)
    assert MATA.load(path) == mata
    assert json.loads(path.read_text())["formula"] == mata.formula
    assert [entry.name for entry in path.parent.iterdir()] == ["mata.json"]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "not a JSON settings file"),
        ("{", "not a JSON settings file"),
        ("[" * 100_000, "not a JSON settings file"),
        ("[1]", "must hold a JSON object; got list"),
        ('{"alfa": 0.1}', r"unknown field 'alfa' \(did you mean .alpha.\?\); allowed: 'alpha', 'l"),
        ('{"alpha": NaN}', "alpha must be a finite number"),
        ('{"alpha": "high"}', "alpha must be a number"),
        ('{"layers": {"a": 1}}', "layers must be a range"),
        ('{"formula": null}', "formula must be one of"),
    ],
)
def test_broken_files_are_refused(tmp_path: Path, text: str, words: str) -> None:
    path = tmp_path / "mata.json"
    path.write_text(text)
    with pytest.raises(MataError, match=words):
        MATA.load(path)


def test_binary_and_missing_files(tmp_path: Path) -> None:
    path = tmp_path / "mata.json"
    with pytest.raises(FileNotFoundError):
        MATA.load(path)
    path.write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(SettingsError, match="not a JSON settings file"):
        MATA.load(path)


def test_failed_save_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "mata.json"
    MATA(alpha=0.3).save(path)

    def full(_: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.fsync", full)
    with pytest.raises(OSError, match="No space left"):
        MATA(alpha=0.5).save(path)
    assert MATA.load(path).alpha == 0.3
    assert [entry.name for entry in tmp_path.iterdir()] == ["mata.json"]
