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
from mata_audio.families import PromptStyle
from mata_audio.models import loading
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


def test_the_answers_are_those_of_generate(
    ask: Mata, qwen2_audio_folder: Path, clip: Path, tmp_path: Path
) -> None:
    loaded = load(qwen2_audio_folder)
    prompter = Prompter.of(loaded)
    sound = prompter.load_clip(clip).samples
    prompt = prompter.inputs(["What?"], [[sound]])
    inputs = loaded.processor(text=models.prompt("What?"), audio=[sound], return_tensors="pt")
    assert prompt["input_ids"].tolist() == inputs["input_ids"].tolist()
    assert ask("--alpha", "5", "--json", tmp_path / "asked.json").code == 0
    asked = json.loads((tmp_path / "asked.json").read_text())["answers"]
    for alpha, answer in zip((0.0, 5.0), asked, strict=True):
        with MATA(alpha=alpha)(loaded.model):
            tokens, text = models.generated(loaded, dict(inputs), 4)
        assert (answer["tokens"], answer["text"]) == (tokens, text)
    assert asked[0]["tokens"] != asked[1]["tokens"]


def test_no_compare(ask: Mata) -> None:
    outcome = ask("--no-compare")
    assert outcome.code == 0
    assert "baseline" not in outcome.out


def test_several_clips_and_formats(ask: Mata, tmp_path: Path) -> None:
    files = []
    for name, rate in (("b.flac", 8_000), ("c.ogg", 44_100), ("d.mp3", 48_000)):
        noise = 0.1 * np.random.default_rng(1).standard_normal((rate, 2))
        soundfile.write(tmp_path / name, noise, rate)
        files.append(tmp_path / name)
    outcome = ask("--audio", files[0], files[1], "--audio", files[2])
    assert outcome.code == 0
    lines = [line for line in outcome.out.splitlines() if line.startswith("audio  ")]
    assert [Path(line.split()[1]).name for line in lines] == [
        "clip.wav",
        "b.flac",
        "c.ogg",
        "d.mp3",
    ]
    assert outcome.out.count("\nclip ") == 4  # the attention on each
    assert "audio tokens   100" in outcome.out


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
    outcome = ask("--long-audio", "fail")
    assert outcome.code == 1
    assert words in error_line(outcome)


def test_of_a_long_clip_the_beginning_is_heard(
    ask: Mata, clip: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    noise = 0.1 * np.random.default_rng(2).standard_normal(5 * 16_000)
    file = tmp_path / "asked.json"
    asked = []
    for seconds in (5, 2):
        soundfile.write(clip, noise[: seconds * 16_000], 16_000)
        outcome = ask("--json", file)
        assert outcome.code == 0
        warned = f"mata: warning: {clip}: the model hears the first 2.0 of 5.0 s\n"
        assert (warned in outcome.err) == (seconds == 5)
        asked.append(json.loads(file.read_text()))
    assert asked[0]["clips"][0]["seconds"] == 5
    assert asked[0]["clips"][0]["heard"] == asked[1]["clips"][0]["heard"] == 2
    assert [own["tokens"] for own in asked[0]["answers"]] == [
        own["tokens"] for own in asked[1]["answers"]
    ]


def test_the_shortest_clip_has_two_audio_tokens(ask: Mata, clip: Path) -> None:
    soundfile.write(clip, 0.1 * np.ones(961), 16_000)
    assert "audio tokens   2\n" in ask().out


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
    prompt = prompter.inputs(["What?"], [[prompter.load_clip(clip).samples] * 2])
    text = processor.tokenizer.decode(prompt["input_ids"][0])
    assert text.startswith("<|im_start|>system\nYou are a helpful assistant.<|im_end|>")
    assert text.index("<|AUDIO|>") < text.index("What?")
    with MATA(alpha=0.5)(loaded.model) as applied:
        assert len(models.generated(loaded, prompt, 3)[0]) == 3
    assert applied.receipt.audio_tokens == (50,)
