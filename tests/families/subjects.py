"""A family under test: its small model, and where the reference finds the attention in it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from torch import Tensor, nn

from families.layouts import LAYOUTS
from mata_audio.doctor.small_models import SmallModel, small_model
from mata_audio.families import FAMILIES
from mata_audio.families.versions import NEWEST, has_class
from reference import PLAIN, Layout, Steering, double, reference_logits


@dataclass(frozen=True)
class FamilySubject:
    """A family under test.

    Args:
        small: its model, and how to make inputs for it.
        model: the part of the model that is called and generates.
        twin: float64 copy of ``model``.
        layout: where the reference looks.
        layers: decoder layers to steer.
        never: special tokens, with which a random model would answer.
    """

    small: SmallModel
    model: Any
    twin: nn.Module
    layout: Layout = PLAIN
    layers: Sequence[int] = (1, 2)
    never: Sequence[int] = (0, 1, 2, *range(96, 128))

    @property
    def audio_token_id(self) -> int:
        """The token id at audio positions."""
        return self.small.audio_token_id

    @property
    def decoder(self) -> Any:
        """The text decoder."""
        return self.layout.decoder_in(self.model)

    def expected(self, inputs: dict[str, Any], steering: Steering, **more: Any) -> Tensor:
        """Logits by the reference."""
        own = {"layout": self.layout, "audio_token_id": self.audio_token_id}
        return reference_logits(self.twin, inputs, steering, **own, **more)


@cache
def subject_of(model_type: str) -> FamilySubject:
    """Build a family's subject once; skip the test if Transformers is too old for its class."""
    loader = next((own.loader for own in FAMILIES if own.model_type == model_type), "")
    if not has_class(loader) and Version(transformers.__version__) < Version(NEWEST):
        pytest.skip(f"Transformers {transformers.__version__} has no {loader}")
    small = small_model(model_type)
    model: Any = small.model
    model = getattr(model, "thinker", model)
    own = {"nemotron_h_omni": (1, 3), "gemma3n": (1, 2, 3, 5), "gemma4": (1, 2, 3, 5)}
    layers = own.get(model_type, (1, 2))
    layout = LAYOUTS.get(model_type, PLAIN)
    with torch.no_grad():  # modules store some attributes in their first pass
        for tokens in small.tokens:
            model(**small.inputs(small.questions_about(tokens)[:1]))
    return FamilySubject(small, model, double(model, layout), layout, layers)
