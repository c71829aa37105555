"""Which settings of a sweep stand in one grid of layers and alpha."""

from __future__ import annotations

import pytest

from mata_audio import MATA, SettingsError
from mata_audio.evaluation.results.ranking import Sweep
from mata_audio.evaluation.results.results import Accuracy, Paired, Results, Row, SettingResult
from mata_audio.methods import PAI, Contrast, Mass, Method
from mata_audio.pictures.grid import has_grid, panels
from mata_audio.settings.in_words import short_name

FIGURES = Paired(200, 0.7, 0.71, 0.01, -0.02, 0.04, 9, 4, 0.02, 1.0, 0.05)


def sweep_of(*methods: Method) -> Sweep:
    names = [short_name(method) for method in methods]
    settings = [
        SettingResult(name, "", method.as_data())
        for name, method in zip(names, methods, strict=True)
    ]
    accuracies = {"baseline": Accuracy(200, 140, 0.7, 0.63, 0.76)}
    overall = Row("", "", "all", accuracies, dict.fromkeys(names, FIGURES))
    results = Results({}, tuple(settings), overall, (), (), ())
    return Sweep(results, (), tuple(names), overall, overall, None)


def test_settings_that_differ_otherwise_are_in_panels_of_their_own() -> None:
    """Two of them in one cell would hide one."""
    sweep = sweep_of(
        MATA(alpha=1, layers="3-7"),
        MATA(alpha=1, layers="3-7", rows="all"),
        MATA(alpha=1, layers="3-7", heads="0-1"),
        Mass(alpha=1, layers="3-7"),
        Mass(alpha=2),
        Mass(alpha=1, layers="3-7", clipped=True),
    )
    found = {panel.title: panel for panel in panels(sweep)}
    assert list(found) == [
        "multiply, all heads",
        "multiply, rows all, all heads",
        "multiply, heads 0-1",
        "mass, all heads",
        "mass, clipped true, all heads",
    ]
    assert sum(len(panel.cells) for panel in found.values()) == 6
    assert found["mass, all heads"].labels == ("paper's", "3-7")
    assert found["mass, all heads"].alphas == (1, 2)


def test_layers_in_words_are_a_row() -> None:
    (panel,) = panels(sweep_of(PAI(), PAI(layers="3-7"), PAI(layers="all")))
    assert panel.labels == ("3-7", "2-31 of 32", "all")
    assert panel.title == "pai"


def test_methods_without_layers_are_in_no_grid() -> None:
    sweep = sweep_of(Contrast(), Contrast(power=0))
    assert not has_grid(sweep)
    with pytest.raises(SettingsError, match="nothing to draw"):
        panels(sweep)
    (panel,) = panels(sweep_of(Contrast(), Mass()))
    assert panel.title == "mass, all heads"
