"""``mata sweep``: the ranking, the winner, and its use."""

from __future__ import annotations

from pathlib import Path

from running import Mata

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
