"""The example of a formula: exact against the reference, and known by its name."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from torch import Tensor

import reference
from checks import QUESTIONS, SETTING, assert_generated_exactly, greedy
from mata_audio.methods import Method
from mata_audio.settings.from_words import method_from_words
from subject import Subject

Example = Callable[[str], dict[str, Any]]


def test_the_formula_is_exact(
    subject: Subject, example: Example, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Against full score matrices in float64, changed by the formula as its docstring states it."""
    others = reference.changed

    def changed(scores: Tensor, alpha: Tensor | float, formula: str) -> Tensor:
        if formula == "lift":
            return scores.where(scores > 0, (1 - alpha) * scores)
        return others(scores, alpha, formula)

    monkeypatch.setattr(reference, "changed", changed)
    lift = example("own_method")["Lift"](**SETTING)
    inputs = subject.inputs(QUESTIONS)
    with lift(subject.model):
        output = subject.model.generate(**inputs, **greedy(subject))
    assert_generated_exactly(subject, inputs, output, **SETTING, formula="lift")


def test_the_method_has_a_name(example: Example, tmp_path: Path) -> None:
    lift = example("own_method")["Lift"](alpha=0.5, layers="3-7")
    lift.save(tmp_path / "lift.json")
    assert Method.load(tmp_path / "lift.json") == lift
    assert method_from_words({"method": "lift", "alpha": "0.5", "layers": "3-7"}, "here") == lift
