"""``inputs_for`` and ``answer_text``, beside what one writes by hand with a model's processor."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

import models
from mata_audio import AudioError, Loaded, SettingsError, answer_text, inputs_for, load
from mata_audio.models.prompter import Prompter
from mata_audio.tiny import make_items
from subject import Subject

QUESTION = "Which sound is this?"


@pytest.fixture(scope="module")
def tiny() -> Loaded:
    return load("tiny")


def test_a_file_becomes_what_the_processor_makes_of_its_own_template(
    qwen2_audio: Subject, tmp_path: Path
) -> None:
    """As on the card of Qwen2-Audio: one user turn with the clip and then the text."""
    (clip,) = models.clips([1.3])
    soundfile.write(tmp_path / "clip.wav", clip, 16_000, subtype="FLOAT")
    processor = qwen2_audio.processor
    content = [{"type": "audio", "audio_url": "clip.wav"}, {"type": "text", "text": QUESTION}]
    text = processor.apply_chat_template(
        [{"role": "user", "content": content}], add_generation_prompt=True, tokenize=False
    )
    expected = processor(text=text, audio=[clip], sampling_rate=16_000, return_tensors="pt")
    made = inputs_for(qwen2_audio.model, processor, QUESTION, tmp_path / "clip.wav")
    assert set(made) == set(expected)
    for name, value in made.items():
        torch.testing.assert_close(value, expected[name], rtol=0, atol=0)


def test_arrays_are_heard_as_files_are(subject: Subject, tmp_path: Path) -> None:
    clips = models.clips([1.0, 1.7])
    paths = [tmp_path / f"{place}.flac" for place in range(2)]
    for path, clip in zip(paths, clips, strict=True):
        soundfile.write(path, np.round(clip * 2**15) / 2**15, 16_000)
    read = [soundfile.read(path)[0] for path in paths]
    model, processor = subject.model, subject.processor
    from_files = inputs_for(model, processor, QUESTION, *map(str, paths))
    for arrays in (read, [torch.tensor(clip) for clip in read]):
        from_arrays = inputs_for(model, processor, QUESTION, *arrays)
        for name, value in from_files.items():
            torch.testing.assert_close(value, from_arrays[name], rtol=0, atol=0)


def test_inputs_go_where_the_model_is(qwen2_audio: Subject) -> None:
    model = models.qwen2_audio().to(torch.bfloat16)
    made = inputs_for(model, qwen2_audio.processor, QUESTION, *models.clips([1.0]))
    assert made["input_features"].dtype == torch.bfloat16
    assert made["input_ids"].dtype == torch.int64
    with torch.no_grad():
        assert model(**made).logits.dtype == torch.bfloat16


def test_the_embedded_model_answers_as_in_its_benchmark(tiny: Loaded) -> None:
    """Also when it was loaded from its folder: it was trained with the question first."""
    item = next(own for own in make_items("test", 40) if own.condition == "caption agrees")
    clip = item.clip.waveform()
    made = inputs_for(tiny.model, tiny.processor, item.question, clip)
    expected = Prompter.of(tiny).inputs([item.question], [[clip]])
    assert {name: value.tolist() for name, value in made.items()} == {
        name: value.tolist() for name, value in expected.items()
    }
    output = tiny.model.generate(**made, do_sample=False, max_new_tokens=8)
    assert answer_text(tiny.processor, made, output) == item.answer
    as_object = tiny.model.generate(
        **made, do_sample=False, max_new_tokens=8, return_dict_in_generate=True
    )
    assert answer_text(tiny.processor, made, as_object) == item.answer


def test_a_loaded_model_of_ones_own_is_what_load_returns(tiny: Loaded) -> None:
    own = Loaded.of(tiny.model, tiny.processor)
    assert (own.name, own.family) == ("tiny", tiny.family)
    assert own == replace(tiny)


@pytest.mark.parametrize(
    ("clip", "said"),
    [
        (np.zeros((2, 16_000), np.float32), r"clip 1 has shape \(2, 16000\)"),
        (np.zeros(16_000, np.int16), "dtype int16"),
        (np.full(16_000, np.nan), "clip 1"),
        (np.zeros(3), "clip 1"),
        (0.1 * np.ones(31 * 16_000), "too long"),
        ("nowhere.wav", "nowhere.wav"),
    ],
    ids=["channels", "integers", "nan", "short", "long", "missing"],
)
def test_refused_clips(tiny: Loaded, clip: Any, said: str) -> None:
    with pytest.raises(AudioError, match=said):
        inputs_for(tiny.model, tiny.processor, QUESTION, clip)


def test_refused_outputs(tiny: Loaded) -> None:
    made = inputs_for(tiny.model, tiny.processor, QUESTION, 0.1 * np.ones(16_000))
    prompt = made["input_ids"]
    with pytest.raises(SettingsError, match="got 1 and 2"):
        answer_text(tiny.processor, made, prompt.repeat(2, 1))
    with pytest.raises(SettingsError, match="does not begin with the prompt"):
        answer_text(tiny.processor, made, prompt[:, 1:])
    assert answer_text(tiny.processor, made, prompt) == ""
