"""A family under test: its small model, and where the reference looks in it."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from torch import Tensor, nn

from families.full_scores import LAYOUTS, Layout, Setting, double, expected
from mata_audio.doctor.small_models import SmallModel, small_model
from mata_audio.families import FAMILIES
from mata_audio.families.versions import NEWEST, has_class


@dataclass(frozen=True)
class Subject:
    """A family under test.

    Args:
        small: its model and a way of asking it.
        model: the part of the model that is called and generates.
        layout: where the reference looks.
        twin: float64 copy.
        layers: decoder layers to steer.
    """

    small: SmallModel
    model: Any
    layout: Layout
    twin: nn.Module
    layers: list[int]

    @property
    def decoder(self) -> Any:
        """The text decoder."""
        return self.layout.decoder_in(self.model)

    def expected(self, inputs: dict[str, Any], setting: Setting, **more: Any) -> Tensor:
        """Logits by the reference."""
        return expected(self.twin, self.layout, inputs, setting, **more)


@cache
def subject_of(model_type: str) -> Subject:
    """Build a family's subject, once; a Transformers older than its class skips the test."""
    loader = next((own.loader for own in FAMILIES if own.model_type == model_type), "")
    if not has_class(loader) and Version(transformers.__version__) < Version(NEWEST):
        pytest.skip(f"Transformers {transformers.__version__} has no {loader}")
    small = small_model(model_type)
    model: Any = small.model
    model = getattr(model, "thinker", model)
    layers = {"nemotron_h_omni": [1, 3], "gemma3n": [1, 2, 3, 5], "gemma4": [1, 2, 3, 5]}
    layout = LAYOUTS.get(model_type, Layout())
    with torch.no_grad():  # once, for what modules note down in their first pass
        for tokens in small.tokens:
            model(**small.inputs(small.questions_about(tokens)[:1]))
    return Subject(small, model, layout, double(model, layout), layers.get(model_type, [1, 2]))
