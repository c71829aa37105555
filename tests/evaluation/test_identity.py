"""A run goes on only with the same model, processor and audio, to the last value."""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file

from mata_audio import MATA
from mata_audio.cli.main import main
from mata_audio.errors import ModelLoadError, RunError
from mata_audio.evaluation import Results, evaluate, load_results
from mata_audio.evaluation.choosing.choose import WAYS, Way, choose
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.results.compare import compare_runs
from mata_audio.evaluation.running import identity
from mata_audio.models.audio import decode_audio
from mata_audio.models.digests import processor_digests, tensors_digest
from mata_audio.models.loading import load
from mata_audio.tiny import MODEL_PATH

Change = Callable[[Path], None]


@pytest.fixture
def model(tmp_path: Path) -> Path:
    """A copy of the embedded model."""
    return shutil.copytree(MODEL_PATH, tmp_path / "model")


def _one_value(model: Path) -> None:
    """Change one value, far from any regular spacing, by the least that float32 can."""
    path = model / "model.safetensors"
    weights = load_file(path)
    values = weights[max(weights, key=lambda name: weights[name].numel())].view(-1)
    values[12_345] = torch.nextafter(values[12_345], torch.tensor(torch.inf))
    save_file(weights, path, metadata={"format": "pt"})


def _tokenizer(model: Path) -> None:
    """Swap the ids of two words."""
    path = model / "tokenizer.json"
    data = json.loads(path.read_text())
    vocab = data["model"]["vocab"]
    first, second = [word for word in vocab if word.isalpha()][:2]
    vocab[first], vocab[second] = vocab[second], vocab[first]
    path.write_text(json.dumps(data))


def _extractor(model: Path) -> None:
    path = model / "processor_config.json"
    data = json.loads(path.read_text())
    data["feature_extractor"]["n_fft"] = 512
    path.write_text(json.dumps(data))


def _chat_template(model: Path) -> None:
    path = model / "chat_template.jinja"
    path.write_text(path.read_text().replace("\n", " \n", 1))


@pytest.mark.parametrize(
    ("change", "named"),
    [
        (_one_value, r"weights\.model\.safetensors was"),
        (_tokenizer, r"processor\.tokenizer\.json was"),
        (_extractor, r"processor\.processor_config\.json was"),
        (_chat_template, r"processor\.chat_template\.jinja was"),
    ],
)
def test_a_changed_model_is_refused_and_the_change_named(
    model: Path, tmp_path: Path, change: Change, named: str
) -> None:
    run = partial(evaluate, model, "tiny", tmp_path / "run", settings=[])
    run(limit=2)
    stored = (tmp_path / "run" / "items.jsonl").read_bytes()
    run(limit=3)
    assert (tmp_path / "run" / "items.jsonl").read_bytes().startswith(stored)
    change(model)
    with pytest.raises(RunError, match=named):
        run(limit=4)


def test_a_model_in_memory_is_known_by_every_value(tmp_path: Path) -> None:
    loaded = load("tiny", device="cpu")
    run = partial(evaluate, loaded, "tiny", tmp_path, settings=[])
    run(limit=2)
    weights = max(loaded.model.parameters(), key=lambda own: own.numel())
    with torch.no_grad():
        weights.view(-1)[12_345] += 1e-6
    with pytest.raises(RunError, match=r"weights\.tensors in memory was"):
        run(limit=3)


def test_digests_of_tensors_tell_names_shapes_dtypes_and_values_apart() -> None:
    def digest(**tensors: torch.Tensor) -> str:
        module = torch.nn.Module()
        for name, value in tensors.items():
            module.register_buffer(name, value)
        return tensors_digest(module)["tensors in memory"]

    zeros = torch.zeros(2, 3)
    variants = [
        {"a": zeros},
        {"b": zeros},
        {"a": zeros.view(3, 2)},
        {"a": zeros.to(torch.bfloat16)},
        {"a": zeros.to(torch.int32)},
        {"a": -zeros},
        {"a": torch.tensor(0.0)},
        {"a": zeros, "b": zeros},
        {},
    ]
    assert len({digest(**own) for own in variants}) == len(variants)
    assert digest(a=zeros.t()) == digest(a=zeros.view(3, 2))  # strided alike or not
    with pytest.raises(ModelLoadError, match="a are not in memory"):
        digest(a=torch.empty(2, device="meta"))


def test_a_processor_stays_the_same_when_it_is_used_and_moved(model: Path) -> None:
    moved, here = load(model, device="cpu").processor, load("tiny", device="cpu").processor
    moved.tokenizer(["what is this", "what"], padding=True, truncation=True, max_length=2)
    assert processor_digests(moved) == processor_digests(here)


def _rewritten(clip: Path) -> None:
    """Change the last sample by the least that 16 bits can."""
    samples, rate = soundfile.read(clip, dtype="int16")
    samples[-1] ^= 1
    soundfile.write(clip, samples, rate, subtype="PCM_16")


def _slower(clip: Path) -> None:
    samples, rate = soundfile.read(clip, dtype="int16")
    soundfile.write(clip, samples, rate // 2, subtype="PCM_16")


def _damaged(clip: Path) -> None:
    clip.write_bytes(b"no sound")


@pytest.mark.parametrize(
    ("change", "said"),
    [(_rewritten, "sound of .* is another"), (_slower, "is another"), (_damaged, "cannot be read")],
)
def test_changed_audio_under_the_same_name_is_refused(
    qwen2_audio_folder: Path, mmau: Path, tmp_path: Path, change: Change, said: str
) -> None:
    run = partial(
        evaluate, qwen2_audio_folder, "mmau", tmp_path / "run", data=mmau, max_new_tokens=2
    )
    results = run(limit=2)
    clip = next((mmau / "test-mini").glob(f"{results.items[1].id}*"))
    whole = clip.read_bytes()
    change(clip)
    with pytest.raises(RunError, match=rf"audio of item '{results.items[1].id}' .*{said}"):
        run(limit=3)
    assert len((tmp_path / "run" / "items.jsonl").read_bytes().splitlines()) == 2
    clip.write_bytes(whole)
    assert len(run(limit=3).items) == 3


def test_runs_on_other_audio_are_not_compared(
    qwen2_audio_folder: Path, mmau: Path, tmp_path: Path
) -> None:
    def run(name: str) -> Results:
        out = tmp_path / name
        evaluate(qwen2_audio_folder, "mmau", out, data=mmau, max_new_tokens=2, limit=3)
        return load_results(out)

    first = run("first")
    compare_runs(first, run("again"), "baseline", "baseline")
    clip = next((mmau / "test-mini").glob(f"{first.items[1].id}*"))
    _rewritten(clip)
    with pytest.raises(RunError, match=rf"audio of item '{first.items[1].id}' is not the same"):
        compare_runs(first, run("second"), "baseline", "baseline")


def test_the_digest_of_a_clip_is_that_of_its_file_whatever_the_model_hears(tmp_path: Path) -> None:
    clip = tmp_path / "clip.wav"
    sound = np.sin(np.arange(24_000) / 9).astype(np.float32)
    soundfile.write(clip, sound, 24_000, subtype="FLOAT")
    whole = decode_audio(clip, "clip", 24_000)
    assert whole.sha256 == decode_audio(clip, "clip", 16_000, longest=0.5, cut=True).sha256
    soundfile.write(clip, sound, 24_001, subtype="FLOAT")
    assert decode_audio(clip, "clip", 24_000).sha256 != whole.sha256


def test_evidence_of_other_weights_is_measured_again(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    measured: list[int] = []

    def measure(measuring: Any) -> Evidence:
        measured.append(len(measuring.plan.items))
        zeros = (0.0,) * 12
        setting = MATA(layers="3-7")
        return Evidence("once", "", "", zeros, zeros, zeros, 12, setting)

    monkeypatch.setitem(WAYS, "once", Way("", measure, alphas=(1.0,)))
    for _ in range(2):
        choose(model, "tiny", tmp_path / "run", "once", limit=20)
    assert len(measured) == 1
    _one_value(model)
    with pytest.raises(RunError, match=r"weights\.model\.safetensors was"):
        choose(model, "tiny", tmp_path / "run", "once", limit=20)
    assert len(measured) == 1  # nothing is measured for a run that cannot go on
    (tmp_path / "only the evidence").mkdir()
    shutil.copy(tmp_path / "run" / "evidence.json", tmp_path / "only the evidence")
    choose(model, "tiny", tmp_path / "only the evidence", "once", limit=20)
    assert len(measured) == 2


def test_every_sitting_is_kept(
    model: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    states = [{"commit": "a" * 40, "modified": False}, {"commit": "b" * 40, "modified": True}]
    for state, limit in zip([*states, states[0]], (2, 5, 5), strict=True):
        monkeypatch.setattr(identity, "git_state", lambda state=state: state)
        results = evaluate(model, "tiny", tmp_path / "run", settings=[], limit=limit)
    sittings = json.loads((tmp_path / "run" / "run.json").read_text())["sittings"]
    assert [(own["git"], own["items"]) for own in sittings] == [
        (states[0], 2),
        (states[1], 3),
        (states[0], 0),
    ]
    assert [machine["git"] for machine in results.run["machines"]] == states
    assert results == load_results(tmp_path / "run")
    assert main(["report", str(tmp_path / "run"), "--clips", "none"]) == 0
    page = (tmp_path / "run" / "report.html").read_text()
    assert all(state["commit"] in page for state in states)
    assert all(sitting["started"] in page for sitting in sittings)
    os.remove(tmp_path / "run" / "run.json")
    assert load_results(tmp_path / "run").run["machines"] == results.run["machines"]
