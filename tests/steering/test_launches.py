"""Launches that steering adds to the unmodified model's: counted, so they cannot be noisy."""

from __future__ import annotations

import pytest
import torch

from mata_audio import MATA
from mata_audio.doctor.launches import Added, Launches, added
from subject import Subject

# A formula may cost less than this, never more.
MOST = {
    "multiply": Added(layer=8, generate=45, token_layer=0, token=0),
    "absolute": Added(layer=7, generate=45, token_layer=5, token=2),
    "add": Added(layer=6, generate=45, token_layer=4, token=2),
    "mass": Added(layer=11, generate=49, token_layer=9, token=6),
    "value": Added(layer=6, generate=49, token_layer=4, token=6),
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
