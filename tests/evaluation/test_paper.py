"""The paper's figures, models and settings as data."""

from __future__ import annotations

import pytest

from mata_audio import MATA
from mata_audio.evaluation.reproduction.checks import data_keys
from mata_audio.evaluation.reproduction.paper import DATA_ADVICE, MODELS, TABLES
from mata_audio.evaluation.tasks import task_named
from mata_audio.evaluation.templates.template import default_template
from mata_audio.notation.layers import scaled_layers, scaled_paper_layers
from mata_audio.settings.in_words import describe

# sound, music, speech, average; baseline, then MATA
FIGURES = {
    "qwen2.5-omni-mmau-test-mini": ((77.8, 64.7, 70.9, 71.1), (79.9, 68.3, 72.7, 73.6)),
    "qwen2-audio-mmau-test-mini": ((67.1, 55.8, 55.4, 59.4), (71.2, 61.4, 61.8, 64.8)),
    "qwen2.5-omni-mmau-test": ((76.8, 67.3, 68.9, 71.0), (76.6, 67.5, 77.3, 73.7)),
    "qwen2-audio-mmau-test": ((64.7, 53.9, 53.1, 57.3), (64.7, 53.1, 53.9, 57.3)),
    "qwen2.5-omni-mmar-test": ((56.6,), (61.2,)),
    "ke-omni-r-mmar-test": ((64.1,), (66.8,)),
}


def test_figures_are_the_papers() -> None:
    found = {
        table.key: tuple(
            (*published.groups.values(), published.average)
            for published in (table.baseline, table.mata)
        )
        for table in TABLES
    }
    assert found == FIGURES
    for table in TABLES:
        names = ["sound", "music", "speech"] if table.task == "mmau" else []
        assert list(table.baseline.groups) == list(table.mata.groups) == names


def test_ablations_are_the_papers() -> None:
    (table,) = [table for table in TABLES if table.ablations]
    assert table.key == "qwen2.5-omni-mmau-test-mini"
    assert {each.name: (each.average, each.finding) for each in table.ablations} == {
        "layers 0-10": (0.9, "collapse"),
        "layers 20-27": (None, "no gain (written 20-28)"),
        "layers 10-19 (10-20 read as half-open)": (None, ""),
        "alpha 0.05": (None, "too weak"),
        "alpha 0.15": (None, "worse than alpha 0.10"),
    }
    described = [describe(s.method or MATA(), layers=28, heads=28) for s in table.settings(28)]
    assert described == [
        f"multiply, alpha {alpha}, layers {layers} of 0-27, all heads"
        for alpha, layers in (
            ("0.1", "10-20"),
            ("0.1", "0-10"),
            ("0.1", "20-27"),
            ("0.1", "10-19"),
            ("0.05", "10-20"),
            ("0.15", "10-20"),
        )
    ]


@pytest.mark.parametrize("depth", [1, 4, 12, 28, 32])
def test_layers_keep_their_relative_depth(depth: int) -> None:
    assert scaled_layers(range(10, 21), depth) == scaled_paper_layers(depth)
    assert scaled_layers(range(28), depth) == tuple(range(depth))
    for layers in (range(11), range(10, 20), range(20, 28)):
        scaled = scaled_layers(layers, depth)
        assert scaled
        assert 0 <= min(scaled) <= max(scaled) < depth
    assert scaled_layers(range(20, 28), 32) == tuple(range(23, 32))


@pytest.mark.parametrize("key", MODELS)
def test_templates_are_the_defaults_of_the_hub_models(key: str) -> None:
    family = {"qwen2-audio": "qwen2_audio"}.get(key, "qwen2_5_omni")
    for task in ("mmau", "mmar"):
        found = default_template(family, MODELS[key].hub, task_named(task))
        assert found.name == MODELS[key].template


def test_every_data_has_advice() -> None:
    assert {f"{table.task}-{table.split}" for table in TABLES} == set(DATA_ADVICE)
    assert set(DATA_ADVICE) < set(data_keys())
