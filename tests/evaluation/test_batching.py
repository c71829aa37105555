"""Padded batches in whole runs: the same answers as exact ones, and the run says which it used."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import soundfile
import torch
from small_runs import ITEMS, SETTINGS

from mata_audio import MATA
from mata_audio.doctor.small_models import small_model
from mata_audio.errors import RunError, SettingsError
from mata_audio.evaluation import NamedSetting, Options, Results, evaluate
from mata_audio.evaluation.data.audio_sources import FileAudio
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running import ahead, fitting_limit, plan
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.fitting_limit import batch_limit, bytes_per_token
from mata_audio.evaluation.running.plan import make_plan
from mata_audio.evaluation.running.prepare import Prepared, by_clips, cut_masked, preparer_of
from mata_audio.evaluation.running.stacking import stacked
from mata_audio.families import family_named
from mata_audio.methods import Contrast, Mass
from mata_audio.models.loading import Loaded, load

MANY = [
    *SETTINGS,
    NamedSetting("mass", Mass(alpha=2.0, layers="3-7")),
    NamedSetting("all rows", MATA(alpha=2.0, layers="3-7", rows="all")),
    NamedSetting("contrast", Contrast()),
]


def said(results: Results) -> dict[str, dict[str, Any]]:
    return {
        item.id: {name: own.raw for name, own in item.answers.items()} for item in results.items
    }


def sitting(folder: Path) -> dict[str, Any]:
    manifest = json.loads((folder / "run.json").read_text())
    return manifest["sittings"][-1] | {"batching": manifest["identity"]["batching"]}


def test_padded_and_exact_runs_give_the_same_answers(tmp_path: Path) -> None:
    """Several settings from one prefill, one that reads the prompt itself, one with two views."""
    run = {"settings": MANY, "limit": 60, "unheard": True, "batch_size": 16}
    padded = evaluate("tiny", "tiny", tmp_path / "padded", batching="padded", **run)
    exact = evaluate("tiny", "tiny", tmp_path / "exact", batching="exact", **run)
    assert said(padded) == said(exact)
    masses = [(own.mass_before or 0, own.mass_after or 0) for own in exact.settings]
    assert [(own.mass_before or 0, own.mass_after or 0) for own in padded.settings] == [
        pytest.approx(own, rel=1e-5) for own in masses
    ]
    assert max(masses) > (0.4, 0.4)
    assert sitting(tmp_path / "padded")["padding"] > 0
    assert sitting(tmp_path / "exact")["padding"] == 0
    assert sitting(tmp_path / "padded")["batches"] == 4
    assert sitting(tmp_path / "exact")["batches"] > 8


def test_a_run_is_one_or_the_other(tmp_path: Path) -> None:
    run = {"settings": [], "limit": 4}
    evaluate("tiny", "tiny", tmp_path, **run)
    assert sitting(tmp_path)["batching"] == "exact"  # on a CPU
    with pytest.raises(RunError, match=r'batching was "exact", is now "padded"'):
        evaluate("tiny", "tiny", tmp_path, batching="padded", **run)


def test_padded_on_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(plan, "device_named", lambda name: torch.device("cuda"))
    assert make_plan("tiny", "tiny").batching == "padded"
    assert make_plan("tiny", "tiny", options=Options(batching="exact")).batching == "exact"


@pytest.mark.parametrize("family", ["granite_speech", "phi4_multimodal", "fun_asr_nano"])
def test_families_that_hear_padding_are_run_exactly(family: str) -> None:
    loaded = Loaded(small_model(family).model, None, "small", family_named(family, "small"))
    assert make_plan(loaded, "tiny").batching == "exact"
    with pytest.raises(
        SettingsError, match=rf'{family} model can\'t be run with batching="padded"'
    ):
        make_plan(loaded, "tiny", options=Options(batching="padded"))


def test_batching_is_one_of_three() -> None:
    with pytest.raises(SettingsError, match="must be one of auto, exact, padded; got 'sorted'"):
        Options(batching="sorted")


def test_processes_give_the_same_run(
    tiny_run: tuple[Path, Results], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    forked: list[int] = []
    real = ahead.in_processes

    def noted(prepare: Any, items: Any, workers: int, window: int) -> Any:
        forked.append(workers)
        return real(prepare, items, workers, window)

    monkeypatch.setattr(ahead, "in_processes", noted)
    monkeypatch.setattr(ahead, "WORTH_PROCESSES", 0.0)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    run = {"settings": SETTINGS, "limit": ITEMS, "batch_size": 3}
    results = evaluate("tiny", "tiny", tmp_path, **run)
    assert forked == [2]
    assert results.items == tiny_run[1].items


def test_features_of_a_clip_are_made_once(
    tmp_path: Path, qwen2_audio_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("one", "two"):
        sound = 0.1 * np.random.default_rng(len(name)).standard_normal(16_000)
        soundfile.write(tmp_path / f"{name}.wav", sound + 0.01 * (name == "two"), 16_000)
    clips = [(FileAudio(tmp_path / "one.wav"),), (FileAudio(tmp_path / "two.wav"),)]
    items = [Item(str(n), clips[n % 2], f"Question {n}?", ("a", "b"), "a") for n in (0, 2, 4, 1, 3)]
    loaded = load(qwen2_audio_folder, device="cpu")
    made: list[int] = []
    extractor = type(loaded.processor.feature_extractor)
    real = extractor.__call__

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        made.append(1)
        return real(self, *args, **kwargs)

    monkeypatch.setattr(extractor, "__call__", counted)
    prepare = preparer_of(make_plan(loaded, "tiny"), loaded)
    prepared = [prepare(item) for item in items]
    assert len(made) == 2
    for item, own in zip(items, prepared, strict=True):
        assert isinstance(own, Prepared)
        fresh = preparer_of(make_plan(loaded, "tiny"), loaded)(item)
        assert isinstance(fresh, Prepared)
        assert own.inputs.keys() == fresh.inputs.keys()
        assert all(torch.equal(own.inputs[name], fresh.inputs[name]) for name in own.inputs)


def test_frames_after_a_clip_are_cut() -> None:
    mask = torch.zeros(2, 3000, dtype=torch.int64)
    mask[0, :700] = mask[1, :900] = 1
    inputs = {
        "input_ids": torch.ones(1, 3000, dtype=torch.int64),
        "input_features": torch.randn(2, 128, 3000),
        "feature_attention_mask": mask,
    }
    cut = cut_masked(inputs)
    assert cut["input_ids"].shape == (1, 3000)
    assert torch.equal(cut["input_features"], inputs["input_features"][:, :, :900])
    assert cut["feature_attention_mask"].shape == (2, 900)
    assert cut["input_features"].untyped_storage().nbytes() == 2 * 128 * 900 * 4


def test_auto_plans_half_of_a_gpus_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    model = small_model("qwen2_audio").model
    assert batch_limit("auto", model, 1) == BatchLimit(prompts=8)
    one, ten = bytes_per_token(model, 1), bytes_per_token(model, 10)
    config = model.config.text_config
    heads = config.num_key_value_heads * config.hidden_size // config.num_attention_heads
    assert ten - one == 9 * 2 * 4 * heads * config.num_hidden_layers  # keys, values, float32

    monkeypatch.setattr(fitting_limit, "_is_gpu", lambda device: True)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (2_000 * one, 10**12))
    assert batch_limit("auto", model, 1) == BatchLimit(tokens=1_000)
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (10**12, 10**12))
    assert batch_limit("auto", model, 1) == BatchLimit(tokens=32_768)
    assert batch_limit("tokens=77", model, 1) == BatchLimit(tokens=77)


class Source:
    """A clip of a user's own, which cannot be a key of a dict."""

    __hash__ = None  # type: ignore[assignment]

    def __init__(self, path: Path) -> None:
        self.path, self.name, self.place = path, path.name, path.name

    def read(self) -> bytes:
        return self.path.read_bytes()


def test_sources_need_no_hash(tmp_path: Path) -> None:
    items = [Item(str(n), (Source(tmp_path / f"{n % 2}.wav"),), "q", (), None) for n in range(4)]
    assert [item.id for item in by_clips(items)] == ["0", "2", "1", "3"]


def test_a_tokenizer_without_padding_is_enough_for_prompts_of_one_length() -> None:
    one = Prepared(Item("", (), "", (), None), {"input_ids": torch.ones(1, 3)}, ())
    words = SimpleNamespace(pad_token_id=None, eos_token_id=None)
    loaded: Any = SimpleNamespace(
        model=torch.nn.Linear(1, 1), processor=SimpleNamespace(tokenizer=words)
    )
    assert stacked([one, one], loaded)["input_ids"].tolist() == [[1, 1, 1]] * 2
