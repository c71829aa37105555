"""``mata study``: its table, its file, and what it does with the files of others."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio.evaluation.study.study_file import study_json
from studies import entry, study_of

TINY = ("study", "tiny", "--task", "tiny", "--choose-on", "tune", "--report-on", "test")


@pytest.fixture
def written(tmp_path: Path) -> Path:
    found = study_of(
        entry("mass", "chosen", (9, 1), [(9, 1), (3, 1)]),
        entry("mata", "chosen", (4, 2), [(3, 2), (2, 2)]),
    )
    path = tmp_path / "other" / "study.json"
    path.parent.mkdir()
    path.write_text(study_json(found), encoding="utf-8")
    return path


def test_a_study_from_start_to_end(mata: Mata, tmp_path: Path, written: Path) -> None:
    out = tmp_path / "study"
    few = ("--items", "36", "--methods", "aad", "--out", out)
    outcome = mata(*TINY, *few, "--carry", written)
    assert outcome.code == 0, outcome.err
    assert (
        "36 items of mata-tiny tune to choose on, 36 of mata-tiny test to report on" in outcome.err
    )
    assert "4 settings to choose from; about " in outcome.err
    assert "aad, chosen" in outcome.out
    assert "mass from tiny, carried over" in outcome.out
    assert "not right unheard" in outcome.out
    assert f"The page is {out / 'study.html'}" in outcome.out
    for name in ("study.json", "study.md", "study.html"):
        assert (out / name).exists()
    again = mata(*TINY, *few, "--carry", written)
    assert again.out == outcome.out
    assert " a second" not in again.err  # nothing was run
    other = mata(*TINY, "--items", "36", "--methods", "contrast", "--out", out)
    assert "holds another run" in error_line(other)
    checked = mata("study", "--check", out / "study.json")
    assert checked.code == 0
    assert "all figures fit" in checked.out


def test_checking_says_what_does_not_fit(mata: Mata, written: Path) -> None:
    assert mata("study", "--check", written).code == 0
    data = json.loads(written.read_text())
    data["entries"][0]["figures"][0]["paired"]["gained"] += 1
    written.write_text(json.dumps(data))
    outcome = mata("study", "--check", written)
    assert outcome.code == 1
    assert "does not fit together" in outcome.out
    assert "mass (chosen), all: after is" in outcome.out


def test_joining_prints_one_table_and_each_study(mata: Mata, written: Path) -> None:
    outcome = mata("study", "--join", written, written.parent)
    assert outcome.code == 0
    assert outcome.out.count("| mass, chosen |") == 3
    assert outcome.out.count("Recommended: mass") == 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ((), "give MODEL, or --check or --join"),
        (("tiny",), "give --task"),
        (("tiny", "--task", "tiny"), "give --out"),
        (("--check", "nothing.json"), "does not exist"),
        (("tiny", "--task", "tiny", "--out", "x", "--methods", "all"), "no method 'all' to study"),
        (("tiny", "--task", "tiny", "--out", "x", "--items", "12"), "give at least 20"),
    ],
)
def test_wrong_use(mata: Mata, words: tuple[str, ...], said: str) -> None:
    outcome = mata("study", *words)
    assert outcome.code in (1, 2)
    assert said in error_line(outcome)
