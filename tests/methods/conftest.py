"""Small models that are more sure of themselves, so that thresholds and cuts lie among them."""

from __future__ import annotations

import copy
from dataclasses import replace

import pytest
import torch

from subject import Subject


@pytest.fixture(scope="session")
def surer(subject: Subject) -> Subject:
    """Each family in turn, with greater logits: probabilities lie on both sides of 0.045."""
    model = copy.deepcopy(subject.model)
    times = 1.25 if "Omni" in type(model).__name__ else 1.5
    with torch.no_grad():
        model.get_output_embeddings().weight.mul_(times)
    return replace(subject, model=model)
