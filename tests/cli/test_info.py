"""``mata info``."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from running import Mata, error_line

import models
from mata_audio.cli.commands.info import _key_heads
from mata_audio.doctor.small_models import small_model
from mata_audio.families import locate


def test_what_it_says(mata: Mata, qwen2_audio_folder: Path) -> None:
    outcome = mata("info", qwen2_audio_folder)
    assert outcome.code == 0
    assert outcome.err == ""
    rows = dict(line.split(maxsplit=1) for line in outcome.out.splitlines() if line[0] != "a")
    assert rows["family"] == "qwen2_audio (Qwen2AudioForConditionalGeneration)"
    assert rows["decoder"] == "4 layers, numbered 0-3"
    assert rows["heads"] == "4 query heads, 2 key/value heads"
    assert rows["clips"] == "60 ms to 2 s each, heard at 16,000 Hz"
    assert rows["backend"] == "sdpa"
    assert "layers 1-2 of 0-3" in outcome.out
    audio_token = models.tokenizer().convert_tokens_to_ids("<|AUDIO|>")
    assert f"audio token  id {audio_token}\n" in outcome.out
    assert rows["evidence"].startswith("nobody's figures: untested on this model")


def test_it_reads_no_weights(mata: Mata, qwen2_audio_folder: Path, tmp_path: Path) -> None:
    folder = Path(shutil.copytree(qwen2_audio_folder, tmp_path / "model"))
    (folder / "model.safetensors").unlink()
    with_weights = mata("info", qwen2_audio_folder).out.splitlines()
    assert mata("info", folder).out.splitlines()[1:] == with_weights[1:]


def test_a_folder_with_a_setting_of_its_own(
    mata: Mata, qwen2_audio_folder: Path, tmp_path: Path
) -> None:
    folder = Path(shutil.copytree(qwen2_audio_folder, tmp_path / "model"))
    (folder / "mata.json").write_text('{"alpha": 2.0, "layers": [0, 3], "heads": [1]}')
    out = mata("info", folder).out
    assert "mata.json    multiply, alpha 2, layers 0,3 of 0-3, heads 1" in out
    assert "untested" not in out


def test_a_model_without_audio(mata: Mata, tmp_path: Path) -> None:
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "qwen2"}))
    outcome = mata("info", tmp_path)
    assert outcome.code == 1
    assert "without audio" in error_line(outcome)


def test_key_heads_that_differ_by_layer() -> None:
    """Gemma 4's config refuses to name one number."""
    assert _key_heads(locate(small_model("gemma4").model)) == "1 or 2"
    assert _key_heads(locate(small_model("voxtral").model)) == "2"
