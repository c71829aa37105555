"""Grids, presets, and choosing on one part of the items to report on another."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from mata_audio import MATA, SettingsError
from mata_audio.errors import DataError
from mata_audio.evaluation import NamedSetting, evaluate, load_setting
from mata_audio.evaluation.results.stored_run import tuned_on_these_items
from mata_audio.evaluation.sweep import PRESETS, grid, preset, sweep
from mata_audio.evaluation.sweep.sweep import divided
from mata_audio.evaluation.tasks import task_named
from mata_audio.methods import GACL, METHODS, AdaptVis, Changes, Contrast, Mass
from mata_audio.settings.in_words import describe
from paper_data import write_mmau
from swept import item

ITEMS = 24


def test_grid_is_every_combination() -> None:
    found = grid(alphas=(0.1, 0.2), layers=("0-3", None), formulas=("multiply", "add"))
    assert len(found) == 8
    assert len({setting.name for setting in found}) == 8
    assert MATA(alpha=0.2, layers="0-3", formula="add") in [setting.method for setting in found]


def test_the_same_setting_is_run_once() -> None:
    assert len(grid(alphas=(0.1, 0.1), layers=("0-3", "0,1,2,3"))) == 1


@pytest.mark.parametrize("axis", ["alphas", "layers", "formulas", "heads"])
def test_an_empty_grid_is_refused(axis: str) -> None:
    empty: dict[str, Any] = {axis: ()}
    with pytest.raises(SettingsError, match=f"give at least one of {axis}"):
        grid(**empty)
    with pytest.raises(SettingsError, match="grid is empty"):
        sweep("tiny", "tiny", "nowhere", [])


@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("depth", [4, 12, 28, 36])
def test_presets_fit_every_depth(name: str, depth: int) -> None:
    found = preset(name, depth)
    assert len({setting.name for setting in found}) == len(found) >= 1
    for setting in found:
        assert setting.method is not None
        describe(setting.method, depth, heads=4)  # raises if the model lacks a layer


def test_a_grid_gives_each_method_the_fields_it_has() -> None:
    axes: dict[str, Any] = {"power": ("0", 2.0), "clipped": ("true",)}
    found = grid((0.5, 1), ("3-7", "paper"), methods=("mass", "contrast"), **axes)
    assert [setting.method for setting in found] == [
        Mass(alpha=0.5, layers="3-7", clipped=True),
        Mass(alpha=1, layers="3-7", clipped=True),
        Mass(alpha=0.5, clipped=True),
        Mass(alpha=1, clipped=True),
        Contrast(alpha=0.5, power=0),
        Contrast(alpha=1, power=0),
        Contrast(alpha=0.5, power=2),
        Contrast(alpha=1, power=2),
    ]
    assert len({setting.name for setting in found}) == 8
    assert [setting.method for setting in grid(methods=("adaptvis",))] == [AdaptVis()]


def test_a_field_that_no_method_of_a_grid_has_is_refused() -> None:
    said = "no method of it does: contrast has alpha, power, cut, on_no_audio"
    with pytest.raises(SettingsError, match=said):
        grid(layers=("3-7",), methods=("contrast",))
    with pytest.raises(SettingsError, match="at least one of methods"):
        grid(methods=())
    with pytest.raises(SettingsError, match="no method 'magic'"):
        grid(methods=("magic",))


def test_the_methods_at_their_defaults() -> None:
    found = {setting.name: setting.method for setting in preset("methods", 12)}
    # Changes are nothing until some are given, and only its user can write GACL's second prompt.
    left_out = (Changes, GACL)
    expected = {cls.__name__: cls() for cls in METHODS.values() if cls not in left_out}
    assert found == expected


def test_presets_of_the_papers_depth_are_the_papers() -> None:
    layers = {setting.method.layers for setting in preset("paper-layers", 28) if setting.method}
    expected = [range(11), range(10), range(5, 16), range(5, 15), range(10, 21)]
    expected += [range(10, 20), range(15, 26), range(15, 25), range(20, 28)]
    assert layers == {tuple(window) for window in expected}
    alphas = [setting.method.alpha for setting in preset("paper-alpha", 28) if setting.method]
    assert alphas == [0.05, 0.10, 0.15, 0.20]
    assert len(preset("single-layers", 28)) == 28
    with pytest.raises(SettingsError, match="paper-layers, paper-alpha"):
        preset("magic", 28)


def test_the_division_is_even_stable_and_seeded() -> None:
    items = [item(number, baseline=True) for number in range(40)]
    chosen = divided(items, "kind", 0.5, seed=0)
    assert len(chosen) == 20
    assert sum(int(id[1:]) % 2 for id in chosen) == 10
    assert divided(items[::-1], "kind", 0.5, seed=0) == chosen[::-1]
    assert divided(items, "kind", 0.5, seed=1) != chosen
    assert len(divided(items, "kind", 0.25, seed=0)) == 10


def test_sweep_of_the_embedded_model(tmp_path: Path) -> None:
    settings = grid(alphas=(1.0, 2.0), layers=("0-3", "3-7"))
    found = sweep("tiny", "tiny", tmp_path, settings, split="tune", limit=ITEMS)
    assert set(found.ranking) == {setting.name for setting in settings}
    assert len(found.tuning_ids) == ITEMS // 2
    assert found.tuning.accuracy["baseline"].n == ITEMS // 2
    assert found.held_out.accuracy["baseline"].n == ITEMS // 2
    alone = evaluate(
        "tiny", "tiny", tmp_path / "alone", settings=settings[-1:], split="tune", limit=ITEMS
    )
    name = settings[-1].name
    for swept, own in zip(found.results.items, alone.items, strict=True):
        assert swept.answers[name] == own.answers[name]
        assert swept.answers["baseline"] == own.answers["baseline"]
    assert (tmp_path / "winner.json").exists() == (found.recommended is not None)
    if found.recommended is not None:
        winner = load_setting(tmp_path / "winner.json")
        assert found.setting(found.recommended).mata == winner.fields
        data = task_named("tiny").load(None, "tune")
        assert tuned_on_these_items(winner, data)
        rest = [i for i in data.items if i.id not in found.tuning_ids]
        assert not tuned_on_these_items(winner, replace(data, items=tuple(rest)))


def test_too_few_items_and_no_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="at least 20"):
        sweep("tiny", "tiny", tmp_path / "a", grid(), limit=19)
    with pytest.raises(SettingsError, match="tuning_share"):
        sweep("tiny", "tiny", tmp_path / "a", grid(), limit=24, tuning_share=1.0)
    for share, missing in ((0.01, "to choose on"), (0.99, "to report on")):
        with pytest.raises(SettingsError, match=f"leaves none of 24 items {missing}"):
            sweep("tiny", "tiny", tmp_path / "a", grid(), limit=24, tuning_share=share)
    folder = write_mmau(tmp_path / "MMAU", n=1, hidden=24)
    with pytest.raises(DataError, match="no answers to score by"):
        sweep("tiny", "mmau", tmp_path / "a", grid(), data=folder, split="test")
    with pytest.raises(SettingsError, match="99"):
        sweep("tiny", "tiny", tmp_path / "a", [NamedSetting("x", MATA(layers=[99]))], limit=24)
    assert not (tmp_path / "a").exists()
