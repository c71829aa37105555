"""Published settings: their models and sources; everything else is marked as untested."""

from __future__ import annotations

import pytest

from mata_audio import MATA
from mata_audio.evaluation.reproduction.paper import MODELS
from mata_audio.methods.presets import PUBLISHED
from mata_audio.steering.gain_tensor import chosen_layers


def test_the_published_setting() -> None:
    found = MATA.for_model("Qwen/Qwen2.5-Omni-7B")
    assert found.mata == MATA(alpha=0.1, layers=range(10, 21))
    assert found.tested
    assert "2509.18816" in found.source
    assert "the paper's figures" in found.evidence
    assert MATA.for_model("qwen/qwen2.5-omni-7b") == found


def test_every_model_of_the_paper_has_one() -> None:
    paper = {model.hub for model in MODELS.values()}
    read = [own for own in PUBLISHED if "digest" not in own.source]
    assert {own.model for own in read} == paper
    assert all("the paper's figures" in own.evidence for own in read)


def test_what_only_a_digest_says_is_called_that() -> None:
    found = MATA.for_model("Qwen/Qwen3-Omni-30B-A3B-Thinking")
    assert found.tested
    assert found.mata == MATA(alpha=0.1)
    assert "10.21437/Interspeech.2026-1212" in found.source
    assert found.evidence.startswith("a digest's figures, not read in the paper: MMAR challenge")
    assert "the paper's figures" not in found.evidence


@pytest.mark.parametrize("model", ["someone/else", "Qwen/Qwen2.5-Omni-3B", "./Qwen2.5-Omni-7B"])
def test_others_are_marked_as_untested(model: str) -> None:
    found = MATA.for_model(model)
    assert not found.tested
    assert found.model == model
    assert found.evidence.startswith("none: untested")
    assert chosen_layers(found.mata, 36) == tuple(range(13, 27))
