"""Published settings: their models and sources; everything else is marked as untested."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from checks import QUESTIONS, SETTING, assert_generated_exactly, greedy
from mata_audio import MATA, PromptLengthError, attachment_of
from mata_audio.evaluation.reproduction.paper import MODELS
from mata_audio.methods import Mass
from mata_audio.methods.presets import PUBLISHED
from mata_audio.settings.named import NamedSetting, save_setting
from mata_audio.steering.gain_tensor import chosen_layers
from subject import Subject
from traces import traces


def test_the_published_setting() -> None:
    found = MATA.for_model("Qwen/Qwen2.5-Omni-7B")
    assert found.mata == MATA(alpha=0.1, layers=range(10, 21))
    assert found.figures == "the paper's"
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
    assert found.figures == "a digest's"
    assert found.mata == MATA(alpha=0.1)
    assert "10.21437/Interspeech.2026-1212" in found.source
    assert found.evidence.startswith("a digest's figures, not read in the paper: MMAR challenge")
    assert "the paper's figures" not in found.evidence


@pytest.mark.parametrize("model", ["someone/else", "Qwen/Qwen2.5-Omni-3B", "./Qwen2.5-Omni-7B"])
def test_others_are_marked_as_untested(model: str) -> None:
    found = MATA.for_model(model)
    assert found.figures == "nobody's"
    assert found.model == model
    assert found.evidence.startswith("nobody's figures: untested")
    assert chosen_layers(found.mata, 36) == tuple(range(13, 27))


def test_a_folder_brings_its_own(tmp_path: Path) -> None:
    own = MATA(alpha=3, layers=[2])
    own.save(tmp_path / "mata.json")
    found = MATA.for_model(tmp_path)
    assert found.mata == own
    assert found.figures == "its makers'"
    assert "does not name" in found.evidence
    save_setting(NamedSetting("own", own, {"task": "mmau", "split": "a"}), tmp_path / "mata.json")
    assert "its makers chose it on mmau a;" in MATA.for_model(tmp_path).evidence
    Mass(alpha=1).save(tmp_path / "mata.json")  # for_model gives a setting of MATA
    assert MATA.for_model(tmp_path).mata == MATA()
    assert MATA.for_model(tmp_path).figures == "nobody's"


def test_a_preset_is_applied_as_its_setting_is(qwen2_audio: Subject) -> None:
    model: Any = qwen2_audio.model
    inputs = qwen2_audio.inputs(QUESTIONS[:1])
    preset = replace(MATA.for_model("someone/else"), mata=MATA(**SETTING))
    before = traces(model)
    with preset(model) as applied:
        output = model.generate(**inputs, **greedy(qwen2_audio))
    assert applied.receipt.active_rows
    assert_generated_exactly(qwen2_audio, inputs, output, **SETTING)
    handle = preset.attach(model, prompt_length=None)
    assert attachment_of(model) is handle
    handle.detach()
    assert traces(model) == before
    with pytest.raises(PromptLengthError), preset(model, prompt_length=10_000):
        model(**inputs)
