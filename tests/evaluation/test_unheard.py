"""The no-audio arm: it hears nothing, is part of the run, and is never a candidate."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from functools import partial
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile
import torch

from families.subjects import subject_of
from mata_audio import MATA, SettingsError
from mata_audio.cli.progress import line
from mata_audio.doctor.small_models.registry import MODEL_TYPES
from mata_audio.errors import RunError
from mata_audio.evaluation import NamedSetting, Progress, Results, evaluate, load_results
from mata_audio.evaluation.results.results import UNHEARD
from mata_audio.evaluation.results.stored_run import rescore
from mata_audio.evaluation.running.unheard import unheard
from mata_audio.evaluation.sweep import grid, sweep
from mata_audio.families import locate
from mata_audio.tiny import make_items
from mata_audio.tiny.signals import SAMPLE_RATE

SETTINGS = [
    NamedSetting("MATA", MATA(alpha=2, layers="3-7")),
    NamedSetting("early", MATA(alpha=5, layers="0-5")),
]
ITEMS = 12

run = partial(evaluate, "tiny", "tiny", settings=SETTINGS, unheard=True, batch_size=4)


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Results]:
    """A finished run with the arm: its folder and its results. Do not write to it."""
    folder = tmp_path_factory.mktemp("runs") / "unheard"
    return folder, run(folder, limit=ITEMS)


@pytest.fixture
def copy(finished: tuple[Path, Results], tmp_path: Path) -> Path:
    return shutil.copytree(finished[0], tmp_path / "copy")


def answers(results: Results, setting: str) -> list[str]:
    return [item.answers[setting].raw for item in results.items]


@pytest.mark.parametrize("model_type", [own for own in MODEL_TYPES if own != "nemotron_h_omni"])
def test_no_token_of_any_family_hears_the_audio(
    model_type: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Beside other clips of the same length, all tokens but the audio's own read the same."""
    small = subject_of(model_type).small
    ours = small.inputs(small.questions)
    file = import_module("mata_audio.doctor.small_models.small_model")
    noise = file.NoiseClip
    monkeypatch.setattr(file, "NoiseClip", lambda tokens, seed: noise(tokens, seed + 5_000))
    others = small.inputs(small.questions)
    assert torch.equal(ours["input_ids"], others["input_ids"])
    rows = ours["attention_mask"].bool() & (ours["input_ids"] != small.audio_token_id)
    model = getattr(small.model, "thinker", small.model)

    def difference() -> torch.Tensor:
        with torch.no_grad():
            first, second = (model(**inputs).logits[rows] for inputs in (ours, others))
        return (first - second).abs().max()

    heard = difference()
    with unheard(locate(small.model)).method(small.model):  # type: ignore[misc]
        not_heard = difference()
    assert not_heard < 1e-5
    assert heard > 10 * not_heard


def test_a_model_that_carries_audio_on_without_attention_is_refused() -> None:
    located = locate(subject_of("nemotron_h_omni").small.model)
    with pytest.raises(SettingsError, match="4 of its 6 layers have no attention"):
        unheard(located)


def test_its_answers_are_the_same_whatever_the_clips_sound_like(tmp_path: Path) -> None:
    """The same questions, then with each other's sounds, cut or repeated to the same length."""
    items = make_items("test", 8)
    sounds = [item.waveform() for item in items]
    found = []
    for name, others in (("own", sounds), ("others", sounds[3:] + sounds[:3])):
        folder = tmp_path / name
        folder.mkdir()
        records = []
        for item, own, sound in zip(items, sounds, others, strict=True):
            soundfile.write(folder / f"{item.id}.wav", np.resize(sound, len(own)), SAMPLE_RATE)
            records.append(
                {
                    "id": item.id,
                    "audio": f"{item.id}.wav",
                    "question": item.question,
                    "choices": item.choices,
                    "answer": item.answer,
                }
            )
        lines = "".join(json.dumps(record) + "\n" for record in records)
        (folder / "questions.jsonl").write_text(lines)
        more = {"data": folder, "template": "question", "max_new_tokens": 8}
        out = tmp_path / f"run-{name}"
        found.append(evaluate("tiny", "jsonl", out, settings=(), unheard=True, **more))
    assert answers(found[0], UNHEARD) == answers(found[1], UNHEARD)
    assert answers(found[0], "baseline") != answers(found[1], "baseline")
    assert [s.name for s in found[0].settings] == ["baseline"]


def test_the_arm_changes_nothing_for_the_others(
    finished: tuple[Path, Results], tmp_path: Path
) -> None:
    folder, results = finished
    without = run(tmp_path / "without", limit=ITEMS, unheard=False)
    assert without.unheard is None
    for name in ("baseline", "MATA", "early"):
        assert answers(results, name) == answers(without, name)
    figures = ("settings", "overall", "groups", "notes")
    assert [getattr(results, own) for own in figures] == [getattr(without, own) for own in figures]
    assert UNHEARD in json.loads((folder / "run.json").read_text())["identity"]["settings"]
    assert (folder / "predictions" / f"{UNHEARD}.json").exists()


def test_a_stopped_run_goes_on_with_the_arm(
    finished: tuple[Path, Results], copy: Path, tmp_path: Path
) -> None:
    lines = (copy / "items.jsonl").read_bytes().splitlines(keepends=True)
    (copy / "items.jsonl").write_bytes(b"".join(lines[:4]) + lines[4][:50])
    (copy / "results.json").unlink()
    assert run(copy, limit=ITEMS) == finished[1] == load_results(copy)
    for file in ("items.jsonl", "results.json", "results.csv"):
        assert (copy / file).read_bytes() == (finished[0] / file).read_bytes()


def test_runs_with_and_without_the_arm_are_not_mixed(copy: Path, tmp_path: Path) -> None:
    with pytest.raises(RunError, match=UNHEARD):
        run(copy, limit=ITEMS, unheard=False)
    assert run(copy, limit=ITEMS).unheard is not None


def test_rescoring_keeps_the_arm(finished: tuple[Path, Results], copy: Path) -> None:
    again = rescore(copy, "final-line")
    assert again.unheard == finished[1].unheard


def test_results_without_the_arm_are_read(finished: tuple[Path, Results], copy: Path) -> None:
    """As earlier versions wrote them."""
    path = copy / "results.json"
    data = json.loads(path.read_text())
    del data["unheard"]
    path.write_text(json.dumps(data))
    assert load_results(copy) == replace(finished[1], unheard=None)


def test_it_is_never_chosen(tmp_path: Path) -> None:
    found = sweep("tiny", "tiny", tmp_path, grid((1.0,), ("3-7",)), limit=20, unheard=True)
    assert found.ranking == ("alpha 1, layers 3-7",)
    assert found.winner != UNHEARD
    account = json.loads((tmp_path / "sweep.json").read_text())
    assert UNHEARD not in [*account["ranking"], account["winner"], account["recommended"]]
    arm = found.results.unheard
    assert arm is not None
    assert arm.accuracy is not None
    held_out = [item for item in found.results.items if item.id not in found.tuning_ids]
    assert arm.accuracy.n == len(held_out) > 0
    assert arm.accuracy.correct == sum(bool(i.answers[UNHEARD].correct) for i in held_out)


def test_choosing_by_measurement_keeps_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Reached(Exception):
        pass

    def swept(plan: Any, *_: Any) -> None:
        raise Reached([setting.name for setting in plan.settings])

    choosing = import_module("mata_audio.evaluation.choosing.choose")
    monkeypatch.setattr(choosing, "sweep_plan", swept)
    more: dict[str, Any] = {"alphas": [1.0], "limit": 20, "unheard": True}
    with pytest.raises(Reached) as reached:
        choosing.choose("tiny", "tiny", tmp_path, "search", **more)
    (names,) = reached.value.args
    assert names[0] == "baseline"
    assert names.index(UNHEARD) == len(names) - 1 > 1


def test_its_name_is_taken(tmp_path: Path) -> None:
    for wanted in (True, False):
        with pytest.raises(SettingsError, match="never a candidate"):
            run(tmp_path, settings=[NamedSetting(UNHEARD, MATA())], unheard=wanted)


def test_the_progress_never_calls_it_the_best() -> None:
    names = ["baseline", "a", "b", "c", UNHEARD]
    correct = dict(zip(names, (5, 4, 6, 3, 9), strict=True))
    told = line(Progress(10, done=10, correct=correct, scored=dict.fromkeys(names, 10)))
    assert "b 60.0 %" in told
    assert UNHEARD not in told
