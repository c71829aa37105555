"""The whole Qwen2.5-Omni, of which only the thinker is steered; loading and placing models."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import models
from checks import QUESTIONS, SETTING, assert_generated_exactly, generate_exactly, greedy
from mata_audio import MATA, AlreadyAttachedError
from mata_audio.families import locate
from subject import Subject
from traces import traces


@pytest.fixture(scope="module")
def omni() -> Any:
    """Thinker, talker and vocoder, with a made-up voice."""
    model = models.omni()
    random = torch.Generator().manual_seed(0)
    model.speaker_map = {
        "Chelsie": {
            "bos_token": 5,
            "cond": torch.randn(1, 16, generator=random),
            "ref_mel": torch.randn(1, 20, 8, generator=random),
        }
    }
    return model


@pytest.fixture(scope="module")
def thinker(omni: Any) -> Subject:
    return Subject(omni.thinker, models.omni_processor(), locate(omni).audio_token_id)


def test_text_answers(omni: Any, thinker: Subject) -> None:
    inputs = thinker.inputs(QUESTIONS)
    options = {f"thinker_{name}": value for name, value in greedy(thinker).items()}
    before = traces(omni)
    with MATA(**SETTING)(omni):
        output = omni.generate(**inputs, generation_mode="text", **options)
    assert traces(omni) == before
    assert_generated_exactly(thinker, inputs, output, **SETTING)


def test_spoken_answers(omni: Any, thinker: Subject) -> None:
    """The talker is unsteered and runs on the steered thinker's states."""
    inputs = thinker.inputs(QUESTIONS[:1])
    options = {"thinker_max_new_tokens": 4, "talker_max_new_tokens": 6, "talker_do_sample": False}
    with MATA(**SETTING)(omni) as applied:
        talker = omni.talker.model.layers
        assert all("mata" not in layer.self_attn.config._attn_implementation for layer in talker)
        torch.manual_seed(0)
        text, speech = omni.generate(**inputs, thinker_do_sample=False, **options)
    assert applied.receipt.forward_passes == text.shape[1] - inputs["input_ids"].shape[1] <= 4
    assert speech.ndim == 1
    assert speech.isfinite().all()


def test_model_and_thinker_cannot_both_be_steered(omni: Any) -> None:
    with MATA(**SETTING, on_no_audio="ignore")(omni), pytest.raises(AlreadyAttachedError):
        MATA().attach(omni.thinker)


def test_thinker_from_a_whole_checkpoint(omni: Any, tmp_path: Path) -> None:
    """As users load Qwen/Qwen2.5-Omni-7B or Ke-Omni-R for question answering."""
    omni.save_pretrained(tmp_path)
    thinker = transformers.Qwen2_5OmniThinkerForConditionalGeneration.from_pretrained(tmp_path)
    expected = omni.thinker.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in thinker.state_dict().items())
    located = locate(thinker)
    assert (located.depth, located.heads) == (4, 4)


def test_device_map_auto(subject: Subject, tmp_path: Path) -> None:
    subject.model.save_pretrained(tmp_path)
    placed = type(subject.model).from_pretrained(tmp_path, device_map="auto").eval().cpu()
    generate_exactly(subject, subject.inputs(QUESTIONS), SETTING, placed)


def test_layers_on_disk(subject: Subject, tmp_path: Path) -> None:
    """accelerate loads a layer only while it runs; masks and gains follow its device."""
    subject.model.save_pretrained(tmp_path)
    model = subject.model
    newest = hasattr(model.model, "language_model")
    path = "model.language_model" if newest else "model"
    parts = [name for name, child in model.named_children() if name != "model"]
    device_map = dict.fromkeys(parts, "cpu")
    if newest:
        beside = [name for name, _ in model.model.named_children() if name != "language_model"]
        device_map |= {f"model.{name}": "cpu" for name in beside}
    decoder = model.get_submodule(path)
    device_map |= {f"{path}.{name}": "cpu" for name, _ in decoder.named_children()}
    device_map.pop(f"{path}.layers")
    for layer in range(len(decoder.layers)):
        device_map[f"{path}.layers.{layer}"] = "disk" if layer < 2 else "cpu"
    placed = type(model).from_pretrained(
        tmp_path, device_map=device_map, offload_folder=tmp_path / "offloaded"
    )
    first = placed.get_submodule(path).layers[0]
    assert next(first.parameters()).device.type == "meta"
    generate_exactly(subject, subject.inputs(QUESTIONS), SETTING, placed)
