"""``mata reproduce``: small models in the place of the paper's."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Mata

from mata_audio.cli.commands.reproduce import data_from
from mata_audio.evaluation.tasks.mmar import Mmar
from mata_audio.evaluation.tasks.mmau import Mmau
from paper_data import write_mmar, write_mmau


@pytest.fixture(autouse=True)
def short_answers(monkeypatch: pytest.MonkeyPatch) -> None:
    for task in (Mmau, Mmar):
        monkeypatch.setattr(task, "max_new_tokens", 4)


@pytest.fixture
def benchmarks(tmp_path: Path) -> Path:
    write_mmau(tmp_path / "benchmarks" / "MMAU", n=3, hidden=1)
    write_mmar(tmp_path / "benchmarks" / "mmar", n=2)
    return tmp_path / "benchmarks"


def test_one_folder_and_two_models(
    mata: Mata, benchmarks: Path, qwen2_audio_folder: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    words = ["reproduce", "paper", "--data", benchmarks, "--out", out]
    words += ["--model", f"qwen2-audio={qwen2_audio_folder}", "--model", "ke-omni-r=./nowhere"]
    words += ["--only", "qwen2-audio", "--only", "ke-omni-r", "--items", "2", "--device", "cpu"]
    outcome = mata(*words)
    assert outcome.code == 0
    assert "Columns marked paper are figures of the paper (arXiv 2509.18816)" in outcome.out
    lines = outcome.out.splitlines()
    header = next(line for line in lines if "paper baseline" in line)
    assert "measured baseline" in header
    row = next(line.split() for line in lines if line.startswith("average"))
    assert row[:3] == ["average", "2", "59.4"]
    assert "2 of the 3 items of MMAU test-mini were run." in outcome.out
    assert "missing model ke-omni-r: no such model folder: ./nowhere" in outcome.out
    assert "to submit to the benchmark's leaderboard: baseline: " in outcome.out
    assert "layers 0-10" not in outcome.out
    data = json.loads((out / "reproduction.json").read_text())
    assert [table["measured"] is not None for table in data["tables"]] == [True, True, False]
    assert "| paper baseline |" in (out / "reproduction.md").read_text()
    assert "mata: Qwen2-Audio-7B-Instruct on MMAU test-mini: 2 items" in outcome.err
    assert all(line.startswith("mata: ") for line in outcome.err.splitlines())

    again = mata(*words)
    assert again.out == outcome.out


def test_ablations_only_where_wanted(mata: Mata, benchmarks: Path, tmp_path: Path) -> None:
    data = f"mmau-test-mini={benchmarks / 'MMAU' / 'mmau-test-mini.json'}"
    words = ["reproduce", "paper", "--data", data, "--model", "qwen2.5-omni=tiny"]
    words += ["--only", "qwen2.5-omni", "--items", "1"]
    outcome = mata(*words, "--out", tmp_path / "with")
    assert outcome.code == 0
    assert "Qwen2.5-Omni-7B on MMAU test-mini: layers and alpha" in outcome.out
    assert "0.9 (collapse)" in outcome.out
    assert "missing data mmar-test: no data given" in outcome.out
    outcome = mata(*words, "--no-ablations", "--out", tmp_path / "without")
    assert "0.9 (collapse)" not in outcome.out
    outcome = mata(*words, "--no-ablations", "--out", tmp_path / "with")
    assert outcome.code == 1
    assert "failed Qwen2.5-Omni-7B on MMAU test-mini" in outcome.out


def test_nothing_there_is_a_failure(mata: Mata, tmp_path: Path) -> None:
    outcome = mata("reproduce", "paper", "--out", tmp_path, "--only", "ke-omni-r")
    assert outcome.code == 1
    assert "missing model ke-omni-r: cannot read the configuration of KE-Team/Ke-Omni-R" in (
        outcome.out
    )
    assert (tmp_path / "reproduction.json").exists()


def test_dry_run(mata: Mata, benchmarks: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    words = ["reproduce", "paper", "--data", benchmarks, "--out", out, "--dry-run"]
    words += ["--model", "qwen2.5-omni=tiny"]
    some = mata(*words)
    assert some.code == 1
    assert some.out.startswith("missing model qwen2-audio: cannot read the configuration of Qwen/")
    for said in (
        "\nQwen2.5-Omni-7B on MMAU test-mini: 3 items\n  rows      sound, music, speech, average\n",
        "  model     tiny (12 layers)\n",
        "            MATA: multiply, alpha 0.1, layers 4-8 of 0-11, all heads\n",
        "            layers 10-19 (10-20 read as half-open): as MATA on this model\n",
        f"  writes    {out / 'qwen2.5-omni-mmar-test'}: run.json, items.jsonl, results.*",
        f"figures together: {out / 'reproduction.json'} and {out / 'reproduction.md'}\n",
    ):
        assert said in some.out
    everything = mata(*words, "--only", "qwen2.5-omni", "--no-ablations")
    assert everything.code == 0
    assert "missing" not in everything.out
    assert "10-19" not in everything.out
    next((benchmarks / "mmar").rglob("*.wav")).unlink()
    less = mata(*words, "--only", "qwen2.5-omni")
    assert less.code == 1
    assert less.out.startswith("1 of 2 clips are missing")
    nothing = mata("reproduce", "paper", "--out", out, "--dry-run", "--only", "ke-omni-r")
    assert nothing.code == 1
    assert nothing.out.endswith("\nNothing can be run.\n")
    assert not out.exists()


def test_missing_things_are_said_before_the_first_run(
    mata: Mata, benchmarks: Path, tmp_path: Path
) -> None:
    words = ["reproduce", "paper", "--data", f"mmar={benchmarks / 'mmar'}", "--items", "1"]
    outcome = mata(*words, "--model", "qwen2.5-omni=tiny", "--out", tmp_path / "out")
    assert outcome.code == 0
    before, started, _ = outcome.err.partition("mata: Qwen2.5-Omni-7B on MMAR: 1 items")
    assert started
    assert "mata: missing model ke-omni-r: " in before
    assert "mata: missing data mmau-test: no data given" in before


def test_data_by_key_and_by_folder(benchmarks: Path) -> None:
    by_folder = {"mmau": str(benchmarks / "MMAU"), "mmar": str(benchmarks / "mmar")}
    assert data_from([str(benchmarks)]) == by_folder
    assert data_from([f"{key}={path}" for key, path in by_folder.items()]) == by_folder
    assert data_from(["mmar=BoJack/MMAR"]) == {"mmar": "BoJack/MMAR"}
