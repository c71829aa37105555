"""However a model's folder is written, it is the same model."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.errors import RunError
from mata_audio.evaluation import evaluate
from mata_audio.evaluation.results.compare import compare_runs
from mata_audio.models.finding import model_name
from mata_audio.tiny import TINY


def test_a_run_goes_on_and_compares_however_the_folder_is_written(
    tmp_path: Path, mmau: Path, qwen2_audio_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "m").symlink_to(qwen2_audio_folder)
    monkeypatch.chdir(tmp_path)
    options = {"data": mmau, "settings": (), "max_new_tokens": 2, "device": "cpu"}
    first = evaluate("./m", "mmau", tmp_path / "run", limit=1, **options)
    for count, written in enumerate(("m", "m/", str(tmp_path / "m"), tmp_path / "x/../m"), 2):
        (tmp_path / "x").mkdir(exist_ok=True)
        again = evaluate(written, "mmau", tmp_path / "run", limit=count, **options)
        assert len(again.items) == count
    other = evaluate(str(qwen2_audio_folder), "mmau", tmp_path / "other", limit=1, **options)
    assert compare_runs(first, other, "baseline", "baseline").differences == ()
    with pytest.raises(RunError, match=r'model was "qwen2-audio\d+", is now "tiny"'):
        evaluate(TINY, "mmau", tmp_path / "run", **options)


@given(detours=st.lists(st.sampled_from([".", "tasks/..", ""]), max_size=6))
def test_a_folders_name_does_not_depend_on_its_path(detours: list[str]) -> None:
    folder = Path(__file__).parent
    written = "/".join([str(folder), *detours])
    assert {model_name(written), model_name(os.path.relpath(written))} == {"evaluation"}


@pytest.mark.parametrize("name", [TINY, "Qwen/Qwen2-Audio-7B-Instruct", "./nowhere"])
def test_other_names_stay(name: str) -> None:
    assert model_name(name) == name
