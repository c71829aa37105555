"""``mata ask``: answers side by side, and every error before any weights are read."""

from __future__ import annotations

import json
import shutil
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import soundfile
from running import Mata, error_line

import models
from mata_audio import MATA
from mata_audio.cli.commands.ask import side_by_side
from mata_audio.families import PromptStyle
from mata_audio.models import asking, loading
from mata_audio.models.finding import find_model
from mata_audio.models.loading import Loaded, load, load_weights
from mata_audio.models.prompter import Prompter


@pytest.fixture
def ask(mata: Mata, qwen2_audio_folder: Path, clip: Path) -> Mata:
    """``mata ask`` about the clip, with further words."""
    command = ("ask", qwen2_audio_folder, "What?", "--audio", clip, "--max-new-tokens", "4")
    return partial(mata, *command)


def test_both_answers_and_the_receipt(ask: Mata, qwen2_audio_folder: Path) -> None:
    outcome = ask()
    assert outcome.code == 0
    assert "baseline" in outcome.out
    assert "MATA receipt" in outcome.out
    assert "layers 1-2 of 0-3" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100 + len(str(qwen2_audio_folder))
    assert all(line.startswith("mata: ") for line in outcome.err.splitlines())


def test_the_answers_are_those_of_generate(qwen2_audio_folder: Path, clip: Path) -> None:
    loaded = load(qwen2_audio_folder)
    prompter = Prompter.of(loaded)
    sound = prompter.load_clip(clip)
    prompt = prompter.inputs(["What?"], [[sound]])
    inputs = loaded.processor(text=models.prompt("What?"), audio=[sound], return_tensors="pt")
    assert prompt["input_ids"].tolist() == inputs["input_ids"].tolist()
    for alpha in (0.0, 5.0):
        with MATA(alpha=alpha)(loaded.model):
            expected = loaded.model.generate(**inputs, do_sample=False, max_new_tokens=8)
            new = expected[:, inputs["input_ids"].shape[1] :]
            text = loaded.processor.tokenizer.batch_decode(new, skip_special_tokens=True)[0]
            assert asking.answer(loaded, [prompt], 8) == [text.strip()]


def test_no_compare(ask: Mata) -> None:
    outcome = ask("--no-compare")
    assert outcome.code == 0
    assert "baseline" not in outcome.out


def test_several_clips_and_formats(ask: Mata, tmp_path: Path) -> None:
    files = []
    for name, rate in (("b.flac", 8_000), ("c.ogg", 44_100), ("d.mp3", 48_000)):
        noise = 0.1 * np.random.default_rng(1).standard_normal((rate, 2))
        soundfile.write(tmp_path / name, noise, rate)
        files += ["--audio", tmp_path / name]
    outcome = ask(*files)
    assert outcome.code == 0
    assert outcome.out.count("\naudio  ") == 4


def test_options_reach_the_setting(ask: Mata) -> None:
    outcome = ask("--alpha", "-0.5", "--layers", "0,2-3", "--heads", "1", "--formula", "add")
    assert "add, alpha -0.5, layers 0,2-3 of 0-3, heads 1" in outcome.out
    assert "layers         0,2-3 (3 of 4)" in outcome.out


def test_a_setting_in_the_model_folder_is_the_default(
    mata: Mata, qwen2_audio_folder: Path, clip: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(qwen2_audio_folder, tmp_path / "model"))
    MATA(alpha=2, layers=[3]).save(folder / "mata.json")
    options = ("--alpha", "3", "--max-new-tokens", "4")
    outcome = mata("ask", folder, "What?", "--audio", clip, *options)
    assert "alpha 3, layers 3 of" in outcome.out


def test_silent_audio_is_a_warning(ask: Mata, clip: Path) -> None:
    soundfile.write(clip, np.zeros(16_000), 16_000)
    outcome = ask()
    assert outcome.code == 0
    assert outcome.err.count("mata: warning: ") == 1
    assert "is silent" in outcome.err


@pytest.mark.parametrize(
    ("samples", "rate", "words"),
    [
        (None, 0, "no such audio file"),
        (np.zeros(0), 16_000, "no samples"),
        (np.ones(960) * 0.1, 16_000, "too short: 0.06 s; the model needs at least 0.0601 s"),
        (np.ones(3 * 8_000) * 0.1, 8_000, "too long: 3 s; the model hears at most 2 s"),
        (np.zeros(3600 * 8_000, dtype=np.int16), 8_000, "3,600 s (60 minutes)"),
    ],
)
def test_bad_audio_is_refused_before_weights_are_read(
    ask: Mata,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
    samples: np.ndarray | None,
    rate: int,
    words: str,
) -> None:
    monkeypatch.setattr(loading, "load_weights", None)
    clip.unlink()
    if samples is not None:
        soundfile.write(clip, samples, rate)
    outcome = ask()
    assert outcome.code == 1
    assert words in error_line(outcome)


def test_the_shortest_clip_has_two_audio_tokens(qwen2_audio_folder: Path, tmp_path: Path) -> None:
    loaded = load(qwen2_audio_folder)
    token = loaded.model.config.audio_token_id
    soundfile.write(tmp_path / "a.wav", 0.1 * np.ones(961), 16_000)
    prompter = Prompter.of(loaded)
    prompt = prompter.inputs(["What?"], [[prompter.load_clip(tmp_path / "a.wav")]])
    assert (prompt["input_ids"] == token).sum() == 2
    assert isinstance(asking.answer(loaded, [prompt], 2)[0], str)


def test_no_processor(mata: Mata, qwen2_audio_folder: Path, clip: Path, tmp_path: Path) -> None:
    for name in ("config.json", "model.safetensors"):
        shutil.copy(qwen2_audio_folder / name, tmp_path / name)
    outcome = mata("ask", tmp_path, "What?", "--audio", clip)
    assert outcome.code == 1
    assert "has no complete processor" in error_line(outcome)


def test_unsupported_model(mata: Mata, clip: Path, tmp_path: Path) -> None:
    config = {"model_type": "newcomer", "audio_config": {}}
    (tmp_path / "config.json").write_text(json.dumps(config))
    outcome = mata("ask", tmp_path, "What?", "--audio", clip)
    assert outcome.code == 1
    assert "supported: qwen2_audio" in error_line(outcome)
    assert "mata_audio.register_family" in error_line(outcome)


def test_an_omni_thinker_answers(omni_thinker_folder: Path, clip: Path) -> None:
    found = find_model(omni_thinker_folder)
    processor = models.omni_processor()
    loaded = Loaded(load_weights(found), processor, found.name, found.family)
    prompter = Prompter.of(loaded)
    assert prompter.style == PromptStyle(audio_first=True, system="You are a helpful assistant.")
    prompt = prompter.inputs(["What?"], [[prompter.load_clip(clip)] * 2])
    text = processor.tokenizer.decode(prompt["input_ids"][0])
    assert text.startswith("<|im_start|>system\nYou are a helpful assistant.<|im_end|>")
    assert text.index("<|AUDIO|>") < text.index("What?")
    with MATA(alpha=0.5)(loaded.model) as applied:
        assert len(asking.answer(loaded, [prompt], 3)) == 1
    assert applied.receipt.audio_tokens == (50,)


def test_batches_of_one_length_change_no_answer(qwen2_audio_folder: Path) -> None:
    loaded = load(qwen2_audio_folder)
    prompts = [
        Prompter.of(loaded).inputs([question], [[sound]])
        for question in ("What?", "Where is it?")
        for sound in models.clips([0.5, 0.5])
    ]
    for batch in (prompts[:2], prompts[2:]):
        separate = [asking.answer(loaded, [prompt], 6)[0] for prompt in batch]
        assert asking.answer(loaded, batch, 6) == separate


def test_side_by_side_is_safe_and_narrow() -> None:
    text = side_by_side({"baseline": "word " * 60, "MATA": "\x1b[31mred\x1b[0m\n\nend"})
    assert "\x1b" not in text
    assert max(map(len, text.splitlines())) <= 100
    assert side_by_side({"MATA": ""}) == "MATA\n----\n(empty answer)"
