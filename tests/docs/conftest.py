"""What blocks of the documentation need before they can be run, by the names that they give."""

from __future__ import annotations

import json
import shlex
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest
import soundfile
import transformers
from pages_of_docs import BLOCKS, KEEP_CLIPS, ROOT, Block
from transformers.utils import is_torchvision_available

import mata_audio
import models
from mata_audio.cli.main import main
from mata_audio.doctor.small_models.small_model import built
from mata_audio.evaluation.tasks import TASKS
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
    if not is_torchvision_available():
        monkeypatch.setattr(transformers.AutoProcessor, "from_pretrained", _processor)
    names: Names = {"__name__": "__main__"}
    for need in block.needs:
        NEEDS[need](names)
    with mock.patch.dict(REGISTERED), mock.patch.dict(TASKS):
        yield names


def _clip(names: Names) -> None:
    sound = 0.1 * np.random.default_rng(0).standard_normal(16_000)
    soundfile.write("clip.wav", sound, 16_000)


def _clips(names: Names) -> None:
    """The clips of the embedded benchmark, by the command that the pages give for them."""
    assert main(shlex.split(KEEP_CLIPS)[1:]) == 0


def _deep(small: Any) -> Any:
    """A small random model of the same class with 28 layers, so that it has the paper's 10-20."""
    config = small.config
    decoder = config.get_text_config()
    decoder.num_hidden_layers = 28
    decoder.layer_types = ["full_attention"] * 28
    model = built(type(small), config)
    model.generation_config = small.generation_config
    return model


def _model(names: Names) -> None:
    names["model"] = _deep(models.qwen2_audio())
    names["processor"] = models.qwen2_audio_processor()


def _qwen2_audio(names: Names) -> None:
    _as_from_the_hub(
        "Qwen2-Audio-7B-Instruct", models.qwen2_audio(), models.qwen2_audio_processor()
    )


def _omni(names: Names) -> None:
    processor = models.omni_processor() if is_torchvision_available() else None
    _as_from_the_hub("Qwen2.5-Omni-7B", models.omni(), processor)  # whole, as on the hub


def _as_from_the_hub(name: str, small: Any, processor: Any) -> None:
    """A folder of a model's name, which ``from_pretrained`` prefers to the hub.

    The model is of the real class, small and random. It answers with a few letters: left to
    themselves, random weights would answer with audio, or for long.
    """
    model, folder = _deep(small), Path("Qwen") / name
    words = models.tokenizer()
    never = [token for token in range(256, len(words)) if token != words.eos_token_id]
    model.generation_config.update(
        suppress_tokens=never, exponential_decay_length_penalty=(3, 1000.0)
    )
    models.save(model, processor, folder)


_FROM_FILES = transformers.AutoProcessor.from_pretrained


def _processor(folder: str | Path, **options: Any) -> Any:
    """Without torchvision, Qwen2.5-Omni's processor cannot be loaded: one for audio and text."""
    if Path(folder).name == "Qwen2.5-Omni-7B":
        return models.omni_processor()
    return _FROM_FILES(folder, **options)


def _mmau(names: Names) -> None:
    """A few questions of our own in MMAU's layout, each with a clip."""
    questions = ROOT / "tests" / "evaluation" / "made_up" / "mmau-test-mini.json"
    folder = Path("path/to/MMAU")
    (folder / "test-mini-audios").mkdir(parents=True)
    (folder / questions.name).write_bytes(questions.read_bytes())
    for item in json.loads(questions.read_text(encoding="utf-8")):
        soundfile.write(folder / item["audio_id"], models.clips([1.0])[0], models.SAMPLING_RATE)


def _chat(names: Names) -> None:
    sound = {"type": "audio", "audio": models.clips([1.0])[0]}
    question = {"type": "text", "text": "What is this?"}
    names["chat"] = [{"role": "user", "content": [sound, question]}]


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
    "clips": _clips,
    "chat": _chat,
    "mmau": _mmau,
    "qwen2-audio": _qwen2_audio,
    "qwen2.5-omni": _omni,
    "model": _model,
    "inputs": _inputs,
    "audio_mask": _audio_mask,
    "sweep": _sweep,
    "lock": lambda names: names.update(lock=threading.Lock()),
    "method": lambda names: names.update(method=mata_audio.MATA()),
    "MATA": lambda names: names.update(MATA=mata_audio.MATA),
    "register_family": lambda names: names.update(register_family=mata_audio.register_family),
    "nothing": lambda names: None,
}
