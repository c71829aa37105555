"""``mata demo``: the whole path on a few items, and the figures it prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio.cli.progress import Progress
from mata_audio.statistics import mcnemar_exact
from mata_audio.tiny import make_items


def test_what_it_prints_and_writes(mata: Mata, tmp_path: Path) -> None:
    file, clips = tmp_path / "demo.json", tmp_path / "clips"
    outcome = mata("demo", "--items", "36", "--json", file, "--keep", clips)
    assert outcome.code == 0
    assert max(map(len, outcome.out.splitlines())) <= 100
    for words in ("36 held-out questions", "gained", "MATA receipt", "Example", "Next"):
        assert words in outcome.out
    data = json.loads(file.read_text())
    assert [item["id"] for item in data["items"]] == [i.id for i in make_items("test", 36)]
    assert [row["name"] for row in data["groups"]] == [
        "no caption", "caption agrees", "caption contradicts", "sound", "music", "speech"
    ]  # fmt: skip
    right = sum(item["answers"]["baseline"]["raw"] == item["answer"] for item in data["items"])
    assert data["overall"]["accuracy"]["baseline"]["value"] == pytest.approx(right / 36)
    total = data["overall"]["paired"]["MATA"]
    assert total["difference"] == pytest.approx((total["gained"] - total["lost"]) / 36)
    assert total["p"] == pytest.approx(mcnemar_exact(total["gained"], total["lost"]))
    assert data["receipt"]["active_rows"] >= 36
    assert len(data["receipt"]["audio_tokens"]) == 36
    example = outcome.out.split("--audio ")[1].splitlines()[0]
    assert (tmp_path / example).is_file()
    lines = [line for line in outcome.err.splitlines() if not line.startswith("mata: ")]
    assert len(lines) <= 40
    assert "\r" not in outcome.err


def test_alpha_zero_changes_nothing_and_leaves_no_files(
    mata: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    file = tmp_path / "demo.json"
    outcome = mata("demo", "--items", "6", "--alpha", "0", "--json", file)
    assert outcome.code == 0
    assert [path.name for path in tmp_path.iterdir()] == ["demo.json"]
    for item in json.loads(file.read_text())["items"]:
        assert item["answers"]["baseline"] == item["answers"]["MATA"]


def test_more_items_change_no_answer(mata: Mata, tmp_path: Path) -> None:
    answers = []
    for items in (6, 18):
        mata("demo", "--items", str(items), "--json", tmp_path / "demo.json")
        answers.append(json.loads((tmp_path / "demo.json").read_text())["items"][:6])
    assert answers[0] == answers[1]


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--items", "0"], "--items must be 1 to 2412"),
        (["--items", "2413"], "--items must be 1 to 2412"),
        (["--alpha", "nan"], "finite"),
        (["--layers", "90-99"], "out of range"),
        (["--formula", "divide"], "'multiply'"),
        (["--json", "nowhere/at/all.json"], "not a file in a folder that exists"),
    ],
)
def test_wrong_options_are_exit_code_2(mata: Mata, options: list[str], words: str) -> None:
    outcome = mata("demo", *options)
    assert outcome.code == 2
    assert words in error_line(outcome)


def test_a_folder_with_files_in_it_is_not_written_to(mata: Mata, clip: Path) -> None:
    outcome = mata("demo", "--keep", clip.parent)
    assert outcome.code == 2
    assert "new or empty folder" in error_line(outcome)


def test_progress_in_a_log_file(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress("reading", 1000) as progress:
        for _ in range(1000):
            progress.advance(1)
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == 10
    assert "1,000 of 1,000 (100%)" in lines[-1]


def test_progress_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    with Progress("reading", 10) as progress:
        progress.advance(10)
    assert "10/10" in capsys.readouterr().err
