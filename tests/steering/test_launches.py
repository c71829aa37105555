"""Launches that steering adds to the unmodified model's: counted, so they cannot be noisy."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import torch

from mata_audio import MATA
from mata_audio.doctor.launches import Added, Launches, added
from mata_audio.steering.formulas import FORMULAS
from subject import Subject

# A formula may cost less than this, never more.
MOST = {
    "multiply": Added(layer=5, generate=1, token_layer=0, token=0),
    "absolute": Added(layer=6, generate=1, token_layer=4, token=2),
    "add": Added(layer=5, generate=1, token_layer=3, token=2),
    "mass": Added(layer=6, generate=6, token_layer=4, token=7),
    "clipped_mass": Added(layer=9, generate=10, token_layer=7, token=11),
    "value": Added(layer=5, generate=1, token_layer=3, token=2),
}


def test_what_launches_a_kernel() -> None:
    with Launches() as counted:
        values = torch.ones(4, 6)  # filled
        halves = values.view(2, 12).transpose(0, 1)[:3]
        (halves @ halves.T).add_(1)
        torch.empty(3)
    assert counted.by_name == {"ones": 1, "mm": 1, "add_": 1}


@pytest.mark.parametrize("formula", MOST)
def test_launches_of_a_formula(qwen2_audio: Subject, formula: str) -> None:
    inputs = qwen2_audio.inputs([("What is that?", [1.0])])
    found = added(
        qwen2_audio.model, inputs, lambda layers: MATA(alpha=0.5, layers=layers, formula=formula)
    )
    most = MOST[formula]
    for name, count in vars(found).items():
        assert count <= getattr(most, name), f"{name}: {count}"
    assert found.layer >= 3  # scores, softmax and values at least


def test_the_limit_of_every_formula_is_known() -> None:
    assert set(MOST) == set(FORMULAS)


def test_gains_of_each_head_and_layer_are_given_to_the_keys_at_once(qwen2_audio: Subject) -> None:
    inputs = qwen2_audio.inputs([("What is that?", [1.0])])
    gains = np.zeros((4, 4))

    def method(layers: Sequence[int]) -> MATA:
        gains[:] = 0
        gains[layers] = np.arange(1, 5) / 10 + np.array(layers)[:, None]
        return MATA(gains=gains.tolist(), formula="add")

    found = added(qwen2_audio.model, inputs, method)
    assert (found.layer, found.generate) == (5, 1)
