"""``mata sweep``: the ranking, the winner, and every wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Mata, error_line

SWEEP = ("sweep", "--model", "tiny", "--task", "tiny", "--split", "tune")


def test_ranking_winner_and_its_use(mata: Mata, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    command = (*SWEEP, "--out", out, "--limit", "36", "--alphas", "1,2", "--layers", "0-3", "3-7")
    outcome = mata(*command)
    assert outcome.code == 0
    assert "Ranked on the tuning part (18 items)" in outcome.out
    assert "36 items, 4 settings" in outcome.err
    assert (out / "sweep.md").read_text().startswith("Ranked on the tuning part")
    again = mata(*command)
    assert again.out == outcome.out
    assert " a second" not in again.err  # nothing was run
    if (out / "winner.json").exists():
        used = mata(
            "eval", "--model", "tiny", "--task", "tiny", "--split", "tune", "--limit", "2",
            "--out", tmp_path / "use", "--setting", out / "winner.json",
        )  # fmt: skip
        assert "winner (" in used.out


def test_a_preset(mata: Mata, tmp_path: Path) -> None:
    outcome = mata(*SWEEP, "--out", tmp_path / "s", "--limit", "20", "--preset", "formulas")
    assert outcome.code == 0
    assert "3 settings" in outcome.err


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ([], "the grid is empty"),
        (["--alphas", ""], "the grid is empty"),
        (["--alphas", "a,b"], "numbers separated by commas"),
        (["--preset", "magic"], "paper-layers"),
        (["--preset", "paper-alpha", "--alphas", "1"], "leave out --alphas"),
        (["--layers", "90-99"], "out of range"),
        (["--formulas", "divide"], "'multiply'"),
        (["--alphas", "1", "--limit", "5"], "at least 20"),
        (["--alphas", "1", "--tuning-share", "2"], "tuning_share"),
    ],
)
def test_wrong_use(mata: Mata, tmp_path: Path, options: list[str], words: str) -> None:
    outcome = mata(*SWEEP, "--out", tmp_path / "run", *options)
    assert outcome.code == 2
    assert words in error_line(outcome)
    assert not (tmp_path / "run").exists()
