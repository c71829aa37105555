"""The small model of each family, built once per test run."""

from __future__ import annotations

import pytest
from torch import Tensor

from families.subjects import FamilySubject, subject_of
from mata_audio.doctor.small_models import MODEL_TYPES
from mata_audio.steering.scaled_keys import ScaledKeys


@pytest.fixture(params=MODEL_TYPES)
def family(request: pytest.FixtureRequest) -> FamilySubject:
    """Each supported family in turn."""
    return subject_of(request.param)


@pytest.fixture
def scaled_layers(monkeypatch: pytest.MonkeyPatch) -> set[int]:
    """The layers whose cached keys were scaled."""
    layers: set[int] = set()
    original = ScaledKeys.scale

    def scale(keys: ScaledKeys, layer: int, key: Tensor, gain: Tensor) -> None:
        original(keys, layer, key, gain)
        if layer in keys:
            layers.add(layer)

    monkeypatch.setattr(ScaledKeys, "scale", scale)
    return layers
