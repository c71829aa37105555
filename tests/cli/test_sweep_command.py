"""``mata sweep``: the ranking, the winner, and its use."""

from __future__ import annotations

from pathlib import Path

import pytest
from running import Mata

from mata_audio.cli.commands.sweep import ending
from mata_audio.evaluation.results.ranking import rank
from mata_audio.steering.formulas import FORMULAS
from swept import swept

LAYERS = ("0-3", "3-7")
SWEEP = ("sweep", "tiny", "--task", "tiny", "--split", "tune")


def test_ranking_winner_and_its_use(mata: Mata, tmp_path: Path) -> None:
    out = tmp_path / "sweep"
    command = (*SWEEP, "--out", out, "--items", "36", "--alphas", "1,2", "--layers", *LAYERS)
    outcome = mata(*command)
    assert outcome.code == 0
    held_out, ranking = outcome.out.split("\n\nTuning items: the ranking")
    assert " on 18 held-out items: " in held_out or "Nothing was found with 18 items; " in held_out
    assert "\nHeld-out items: " in held_out
    assert all(f"alpha {alpha}, layers {layers}" in ranking for alpha in "12" for layers in LAYERS)
    assert "36 items, 4 settings" in outcome.err
    assert (out / "results.md").read_text().splitlines()[0] == outcome.out.splitlines()[0]
    again = mata(*command)
    assert again.out == outcome.out
    assert " a second" not in again.err  # nothing was run
    assert ("for --settings" in outcome.out) == (out / "winner.json").exists()
    if (out / "winner.json").exists():
        used = mata(
            "eval", "tiny", "--task", "tiny", "--split", "tune", "--items", "2",
            "--out", tmp_path / "use", "--setting", out / "winner.json",
        )  # fmt: skip
        assert "winner (" in used.out


def test_a_preset(mata: Mata, tmp_path: Path) -> None:
    outcome = mata(*SWEEP, "--out", tmp_path / "s", "--items", "20", "--preset", "formulas")
    assert outcome.code == 0
    assert f"{len(FORMULAS)} settings" in outcome.err


def test_several_methods(mata: Mata, tmp_path: Path) -> None:
    axes = ("--alphas", "1,2", "--layers", "3-7", "--grid", "power=0,2", "--grid", "cut=0")
    command = (*SWEEP, "--out", tmp_path / "s", "--items", "20", "--methods", "mass,contrast")
    outcome = mata(*command, *axes)
    assert outcome.code == 0
    assert "20 items, 6 settings" in outcome.err
    ranking = outcome.out.partition("Tuning items: the ranking")[2]
    for name in ("mass, alpha 2, layers 3-7 ", "contrast, alpha 1, power 0, cut 0 "):
        assert f"\n{name}" in ranking
    assert mata("pictures", tmp_path / "s").code == 0
    assert mata("report", tmp_path / "s", "--clips", "none").code == 0


def test_every_method_in_one_sweep(mata: Mata, tmp_path: Path) -> None:
    outcome = mata(*SWEEP, "--out", tmp_path / "s", "--items", "20", "--preset", "methods")
    assert outcome.code == 0
    assert {"MATA", "Mass", "Contrast"} < {
        line.partition(" ")[0] for line in outcome.out.split("\n")
    }
    assert mata("pictures", tmp_path / "s").code == 0


@pytest.mark.parametrize(("right", "handed"), [(True, True), (None, False), (False, False)])
def test_a_winner_is_handed_over_only_if_it_is_better_held_out(
    right: bool | None, handed: bool, tmp_path: Path
) -> None:
    """Held out it gains six, as many as it loses, or loses six."""
    held_out = {True: (6, 0), None: (6, 6), False: (0, 6)}[right]
    results = swept({"mata": (9, 0)}, {"mata": held_out})
    told = ending(rank(results, results.tuning_ids), tmp_path)
    assert (f"the winner is {tmp_path / 'winner.json'}, for --settings." in told) == handed
    assert ("there is no winner.json, as no setting is recommended." in told) != handed
