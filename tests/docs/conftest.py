"""What blocks of the documentation need before they can be run, by the names that they give."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import transformers
from pages_of_docs import BLOCKS, Block

import mata_audio
import models
from mata_audio.doctor.small_models.small_model import built
from mata_audio.families.registering import REGISTERED
from mata_audio.methods import METHODS, Mass, method
from subject import Subject

Names = dict[str, Any]


@pytest.fixture
def prepared(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Names]:
    """A folder of its own with the files that the block needs, and its names."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(method, "METHODS", dict(METHODS))
    for own in BLOCKS:
        if own.page == block.page and own.key == "file":
            Path(own.value).write_text(own.text, encoding="utf-8")
    names: Names = {"__name__": "__main__"}
    for need in block.needs:
        NEEDS[need](names)
    before = dict(REGISTERED)
    yield names
    REGISTERED.clear()
    REGISTERED.update(before)


def _clip(names: Names) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write("clip.wav", sound, 16_000)


def _model(names: Names) -> None:
    """A small random Qwen2-Audio with 28 layers, so that it has the paper's 10-20."""
    config = models.qwen2_audio().config
    config.text_config.num_hidden_layers = 28
    config.text_config.layer_types = ["full_attention"] * 28
    names["model"] = built(transformers.Qwen2AudioForConditionalGeneration, config)
    names["processor"] = models.qwen2_audio_processor()


def _inputs(names: Names) -> None:
    """A prompt about one clip; random weights would otherwise write for long."""
    model, processor = names["model"], names["processor"]
    subject = Subject(model, processor, model.config.audio_token_id)
    names["inputs"] = subject.inputs([("What is this?", [1.0])])
    model.generation_config.update(max_new_tokens=3, suppress_tokens=subject.never)


def _audio_mask(names: Names) -> None:
    names["audio_mask"] = names["inputs"]["input_ids"] == names["model"].config.audio_token_id


def _sweep(names: Names) -> None:
    Path("runs/sweep").mkdir(parents=True)
    Mass(alpha=2.0, layers="3-7").save("runs/sweep/winner.json")


NEEDS: dict[str, Callable[[Names], None]] = {
    "clip": _clip,
    "model": _model,
    "inputs": _inputs,
    "audio_mask": _audio_mask,
    "sweep": _sweep,
    "MATA": lambda names: names.update(MATA=mata_audio.MATA),
    "register_family": lambda names: names.update(register_family=mata_audio.register_family),
    "nothing": lambda names: None,
}
