"""``mata choose``: the evidence, the ranking, and every wrong use."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio.cli.choose import evidence_text
from mata_audio.evaluation.choosing.evidence import Evidence

CHOOSE = ("choose", "--model", "tiny", "--task", "tiny", "--split", "tune")


@pytest.mark.parametrize("method", ["gradient", "search"])
def test_what_it_prints(mata: Mata, tmp_path: Path, method: str) -> None:
    outcome = mata(
        *CHOOSE, "--out", tmp_path / "c", "--limit", "24", "--method", method, "--alphas", "2"
    )
    assert outcome.code == 0
    assert "Ranked on the tuning part (12 items)" in outcome.out
    assert ("* the chosen window" in outcome.out) == (method == "gradient")
    saved = (tmp_path / "c" / "winner.json").exists()
    assert ("winner.json, for --setting" in outcome.out) == saved
    assert ("does not help this model" in outcome.out) != saved


def test_evidence_as_text() -> None:
    evidence = Evidence("m", "u", (0.5, -1.0, 0.0), (0.4, -1.1, 0.0), (0.6, -0.9, 0.1), 7, (1, 2))
    lines = evidence_text(evidence).splitlines()
    assert lines[0] == "m, 7 items: u"
    assert lines[2].startswith("  layer 0")
    assert lines[2].endswith("#" * 15)
    assert lines[3].startswith("* layer 1")
    assert lines[3].endswith("-" * 30)
    assert lines[4].endswith("+0.1000")


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--method", "guess"], "knockout, gradient, search"),
        (["--alphas", "x"], "numbers with commas"),
        (["--limit", "5"], "at least 20"),
    ],
)
def test_wrong_use(mata: Mata, tmp_path: Path, options: list[str], words: str) -> None:
    outcome = mata(*CHOOSE, "--out", tmp_path / "run", *options)
    assert outcome.code == 2
    assert words in error_line(outcome)
    assert not (tmp_path / "run").exists()
