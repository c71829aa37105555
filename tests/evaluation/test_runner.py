"""Running a plan: batches change nothing, failures are kept, and nothing is mixed."""

from __future__ import annotations

import io
import json
import shutil
from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from hashlib import sha256
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
import soundfile
import torch
from safetensors.torch import load_file, save_file
from small_runs import ITEMS, SETTINGS, edit_records

from mata_audio import MATA, MataError, SettingsError
from mata_audio.errors import DataError, RunError
from mata_audio.evaluation import NamedSetting, Progress, Results, evaluate, load_results
from mata_audio.evaluation.running import answering
from mata_audio.evaluation.tasks.tiny import Tiny
from mata_audio.models.loading import load
from mata_audio.models.prompter import Prompter
from mata_audio.storage.items_file import ItemStore
from mata_audio.tiny import MODEL_PATH, make_items
from models import generated

Run = tuple[Path, Results]


def tiny(folder: Path, **changes: Any) -> Results:
    """Run what the shared run ran, but for the changes."""
    return evaluate("tiny", "tiny", folder, **{"settings": SETTINGS, "limit": ITEMS, **changes})


def answers(results: Results) -> dict[str, dict[str, str]]:
    return {i.id: {name: own.raw for name, own in i.answers.items()} for i in results.items}


def assert_same(results: Results, expected: Results) -> None:
    """All is equal; a mean of attention masses may differ in its last digits.

    Kernels add up in another order if a batch has another size.
    """
    close = [
        replace(
            own,
            **{
                mass: pytest.approx(value, rel=1e-6)
                for mass in ("mass_before", "mass_after")
                if (value := getattr(own, mass)) is not None
            },
        )
        for own in expected.settings
    ]
    assert results == replace(expected, settings=tuple(close))


@pytest.mark.parametrize("size", [1, 8])
def test_batch_size_never_changes_an_answer(tiny_run: Run, tmp_path: Path, size: int) -> None:
    """The shared run has batches of 3."""
    assert_same(tiny(tmp_path, batch_size=size), tiny_run[1])


def test_answers_are_those_of_separate_plain_runs(tiny_run: Run) -> None:
    """Asked one by one with generate(), without and with MATA, outside the evaluation."""
    loaded = load("tiny", device="cpu")
    items = make_items("test", ITEMS)
    prompts = [Prompter.of(loaded).inputs([item.question], [[_as_read(item)]]) for item in items]
    baseline = [generated(loaded, prompt, 8)[1] for prompt in prompts]
    with MATA(alpha=2, layers="3-7")(loaded.model):
        steered = [generated(loaded, prompt, 8)[1] for prompt in prompts]
    assert answers(tiny_run[1]) == {
        item.id: {"baseline": before, "MATA": after}
        for item, before, after in zip(items, baseline, steered, strict=True)
    }
    assert baseline != steered


def _as_read(item: Any) -> Any:
    """The clip after its way through a 16-bit file."""
    file = io.BytesIO()
    soundfile.write(file, item.waveform(), 16_000, format="WAV", subtype="PCM_16")
    return soundfile.read(io.BytesIO(file.getvalue()), dtype="float32")[0]


def test_a_model_of_ones_own_that_is_loaded_already(tiny_run: Run, tmp_path: Path) -> None:
    loaded = load("tiny", device="cpu")
    results = evaluate(loaded, "tiny", tmp_path, settings=SETTINGS, limit=ITEMS)
    assert_same(replace(results, run={}), replace(tiny_run[1], run={}))
    by_name, given = tiny_run[1].run["identity"], results.run["identity"]
    assert {key for key in given if given[key] != by_name[key]} == {"weights"}  # files, tensors


def test_run_json_says_what_ran(tiny_run: Run) -> None:
    run = json.loads((tiny_run[0] / "run.json").read_text())
    identity, facts = run["identity"], run["facts"]
    assert identity["generation"]["do_sample"] is False
    assert identity["generation"]["max_new_tokens"] == 8
    assert {"torch", "transformers", "mata-audio"} <= set(identity["versions"])
    where = {"device": "cpu", "dtype": "float32", "attention": "sdpa"}
    assert identity.items() >= where.items()
    assert identity["template"]["name"] == "question"
    assert (identity["seed"], facts["reader"]) == (0, "whole")
    assert len(identity["data"]["tiny-test"]) == 64
    weights = (MODEL_PATH / "model.safetensors").read_bytes()
    assert identity["weights"] == {"model.safetensors": sha256(weights).hexdigest()}
    assert {"tokenizer.json", "processor_config.json"} <= set(identity["processor"])
    assert identity["settings"]["MATA"]["method"]["alpha"] == 2
    assert facts["model_type"] == "qwen2_audio"
    (sitting,) = run["sittings"]
    assert sitting["items"] == ITEMS
    assert sitting["versions"] == identity["versions"]
    assert {"started", "device", "git", "seconds"} <= set(sitting)
    machine = {key: sitting[key] for key in ("device", "versions", "git")}
    assert tiny_run[1].run["machines"] == [machine]


def test_results_are_read_back_as_they_were(tiny_run: Run) -> None:
    folder, results = tiny_run
    assert load_results(folder) == results
    assert load_results(folder / "results.json") == results


@pytest.fixture
def copy(tiny_run: Run, tmp_path: Path) -> Path:
    """A copy of the shared run's folder."""
    return shutil.copytree(tiny_run[0], tmp_path / "copy")


def test_a_finished_run_runs_nothing_again(
    tiny_run: Run, copy: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(answering, "generate_all", Mock(side_effect=AssertionError))
    assert tiny(copy) == tiny_run[1]
    assert (copy / "results.json").read_bytes() == (tiny_run[0] / "results.json").read_bytes()


def test_a_larger_limit_goes_on(tiny_run: Run, copy: Path) -> None:
    seen: list[tuple[int, int]] = []

    def report(progress: Progress) -> None:
        seen.append((progress.done, progress.resumed))

    more = tiny(copy, limit=ITEMS + 4, report=report)
    assert len(more.items) == ITEMS + 4
    assert answers(more).items() >= answers(tiny_run[1]).items()
    assert seen[-1] == (ITEMS + 4, ITEMS)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"settings": [NamedSetting("MATA", MATA(alpha=1, layers="3-7"))]}, "alpha was 2.0"),
        ({"settings": []}, "settings.MATA"),
        ({"template": "plain"}, "template.name"),
        ({"max_new_tokens": 9}, "max_new_tokens was 8, is now 9"),
        ({"split": "tune"}, "split was"),
        ({"dtype": "bfloat16"}, 'dtype was "float32", is now "bfloat16"'),
        ({"attn_implementation": "eager"}, "attention was"),
        ({"seed": 1}, "seed was 0"),
    ],
    ids=lambda value: next(iter(value)) if isinstance(value, dict) else "",
)
def test_another_run_is_not_mixed_in(copy: Path, change: dict[str, Any], said: str) -> None:
    before = (copy / "items.jsonl").read_bytes()
    with pytest.raises(RunError, match="cannot be mixed") as raised:
        tiny(copy, **change)
    assert said in str(raised.value)
    assert (copy / "items.jsonl").read_bytes() == before


def test_other_weights_of_the_same_model_are_noticed(
    qwen2_audio_folder: Path, mmau: Path, tmp_path: Path
) -> None:
    model = shutil.copytree(qwen2_audio_folder, tmp_path / "model")
    run = tmp_path / "run"
    evaluate(model, "mmau", run, data=mmau, limit=1, max_new_tokens=2)
    weights = load_file(model / "model.safetensors")
    changed = {name: value * 1.001 for name, value in weights.items()}
    save_file(changed, model / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(RunError, match=r"weights\.model\.safetensors was"):
        evaluate(model, "mmau", run, data=mmau, limit=2, max_new_tokens=2)


def test_changed_questions_are_noticed(
    qwen2_audio_folder: Path, mmau: Path, tmp_path: Path
) -> None:
    run = tmp_path / "run"
    evaluate(qwen2_audio_folder, "mmau", run, data=mmau, limit=1, max_new_tokens=2)
    edit_records(mmau, difficulty="hard")
    with pytest.raises(RunError, match=r"data\.mmau-test-mini\.json was"):
        evaluate(qwen2_audio_folder, "mmau", run, data=mmau, limit=2, max_new_tokens=2)


def test_failed_items_are_kept_with_their_reason_and_can_be_retried(
    qwen2_audio_folder: Path, mmau: Path, tmp_path: Path
) -> None:
    clips = sorted((mmau / "test-mini").iterdir())
    whole = clips[0].read_bytes()
    clips[0].write_bytes(b"not audio at all")
    clips[1].rename(tmp_path / "gone.wav")
    where = (qwen2_audio_folder, "mmau", tmp_path / "run")
    run = partial(evaluate, *where, data=mmau, max_new_tokens=2)
    results = run()
    errors = {item.id: item.error for item in results.items if item.error is not None}
    assert set(errors) == {clips[0].stem, clips[1].stem}
    assert "AudioError" in errors[clips[0].stem]
    assert "cannot be decoded" in errors[clips[0].stem]
    assert all(not item.answers for item in results.items if item.error)
    assert results.overall.accuracy["baseline"].n == 10
    assert any("2 items failed" in note for note in results.notes)
    for setting in ("baseline", "MATA"):
        stored = json.loads((tmp_path / "run" / "predictions" / f"{setting}.json").read_text())
        assert len(stored) == 10

    assert run() == results  # errors are not tried again unasked
    clips[0].write_bytes(whole)
    retried = run(retry_errors=True)
    assert [item.id for item in retried.items if item.error is not None] == [clips[1].stem]
    assert answers(retried).items() > {k: v for k, v in answers(results).items() if v}.items()


def test_too_many_errors_stop_the_run_and_lose_nothing(
    qwen2_audio_folder: Path, mmau: Path, tmp_path: Path
) -> None:
    for clip in sorted((mmau / "test-mini").iterdir())[4:]:
        clip.write_bytes(b"")
    one = {"batch_size": 1, "batching": "exact"}  # prepares nothing before it answers
    options = {"data": mmau, "max_new_tokens": 2, "max_errors": 2, **one}
    with pytest.raises(RunError, match=r"3 items failed, more than --max-errors 2"):
        evaluate(qwen2_audio_folder, "mmau", tmp_path / "run", **options)
    lines = (tmp_path / "run" / "items.jsonl").read_text().splitlines()
    assert sum("error" in json.loads(line) for line in lines) == 3
    assert sum("answers" in json.loads(line) for line in lines) == 4
    assert json.loads((tmp_path / "run" / "run.json").read_text())["sittings"][0]["items"] == 7


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["cuda", "cpu"],
)
def test_out_of_memory_halves_the_batch_and_goes_on(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sizes: list[int] = []
    real = answering.generate_all

    def short_of_memory(model: Any, inputs: Any, *rest: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise error
        return real(model, inputs, *rest)

    monkeypatch.setattr(answering, "generate_all", short_of_memory)
    seen: list[Progress] = []
    results = tiny(tmp_path, batch_size=8, report=lambda progress: seen.append(replace(progress)))
    assert_same(results, tiny_run[1])
    failures = [size for size in sizes if size > 2]
    assert 1 <= len(failures) <= 2  # 8, 4: then the size is remembered
    assert seen[-1].limit.prompts in (1, 2)


def test_an_item_that_breaks_the_model_does_not_take_its_batch_along(
    tiny_run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    broken = tiny_run[1].items[7]
    real, poisoned = answering.generate_all, _ids_of(broken.id)

    def fragile(model: Any, inputs: Any, *rest: Any) -> Any:
        if any(torch.equal(row[-len(poisoned) :], poisoned) for row in inputs["input_ids"]):
            raise ValueError("a bad\nthing")
        return real(model, inputs, *rest)

    monkeypatch.setattr(answering, "generate_all", fragile)
    results = tiny(tmp_path)
    failed = {item.id: item.error for item in results.items if item.error}
    assert failed[broken.id] == "ValueError: a bad thing"
    others = {k: v for k, v in answers(tiny_run[1]).items() if k not in failed}
    assert answers(results).items() >= others.items()


def _ids_of(id: str) -> torch.Tensor:
    loaded = load("tiny", device="cpu")
    item = next(item for item in make_items("test", ITEMS) if item.id == id)
    inputs = Prompter.of(loaded).inputs([item.question], [[_as_read(item)]])
    return inputs["input_ids"][0]


def test_an_interrupt_is_not_an_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(answering, "generate_all", Mock(side_effect=KeyboardInterrupt))
    with pytest.raises(KeyboardInterrupt):
        evaluate("tiny", "tiny", tmp_path / "run", limit=4)
    assert not (tmp_path / "run" / "items.jsonl").exists()


def test_ids_choose_items(tiny_run: Run, tmp_path: Path) -> None:
    wanted = [tiny_run[1].items[5].id, tiny_run[1].items[2].id]
    results = evaluate("tiny", "tiny", tmp_path, settings=SETTINGS, ids=wanted)
    assert [item.id for item in results.items] == sorted(wanted)
    assert answers(results).items() <= answers(tiny_run[1]).items()


@pytest.mark.parametrize(
    ("options", "error", "said"),
    [
        ({"ids": ["nobody"]}, SettingsError, "'nobody'"),
        ({"limit": 0}, SettingsError, "limit"),
        ({"batch_size": "many"}, SettingsError, "batch_size"),
        ({"split": "dev"}, SettingsError, "allowed: test, tune"),
        ({"reader": "mind"}, MataError, "answer-tag"),
        ({"template": "poem"}, MataError, "r1-aqa"),
        ({"dtype": "int8"}, SettingsError, "float32"),
        ({"settings": MATA(layers=[99])}, SettingsError, "99"),
        ({"settings": [NamedSetting("baseline", MATA())]}, SettingsError, "two settings"),
    ],
)
def test_wrong_use_is_refused_before_anything_runs(
    tmp_path: Path, options: dict[str, Any], error: type[Exception], said: str
) -> None:
    with pytest.raises(error, match=said):
        evaluate("tiny", "tiny", tmp_path / "run", **options)
    assert not (tmp_path / "run").exists()


def test_data_are_asked_for(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="mmau needs its data"):
        evaluate("tiny", "mmau", tmp_path / "run")


def test_each_answer_is_scored_once_and_nothing_is_read_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    scored: list[int] = []
    read: list[Path] = []
    outcomes, opened = Tiny.outcomes, ItemStore.__init__

    def counted(task: Tiny, records: Sequence[Any]) -> list[bool | None]:
        scored.append(len(records))
        return outcomes(task, records)

    def noted(store: ItemStore, path: Path) -> None:
        read.append(path)
        opened(store, path)

    monkeypatch.setattr(Tiny, "outcomes", counted)
    monkeypatch.setattr(ItemStore, "__init__", noted)
    results = tiny(tmp_path, limit=6)
    said = {(item.id, own.raw) for item in results.items for own in item.answers.values()}
    assert scored == [1] * len(said)
    assert read == [tmp_path / "items.jsonl"]
