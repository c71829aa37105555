"""``mata choose``: the evidence and the ranking."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from running import Mata, error_line

from mata_audio import MATA
from mata_audio.cli.commands.choose import evidence_text
from mata_audio.evaluation.choosing import WAYS, tune
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.tune import Fitting
from mata_audio.evaluation.results.power import smallest_difference
from mata_audio.methods import Mass

CHOOSE = ("choose", "tiny", "--task", "tiny", "--split", "tune")


@pytest.mark.parametrize("by", ["gradient", "search"])
def test_what_it_prints(mata: Mata, tmp_path: Path, by: str) -> None:
    options = ("--items", "24", "--by", by, "--alphas", "2")
    outcome = mata(*CHOOSE, "--out", tmp_path / "c", *options)
    assert outcome.code == 0
    assert "\n\nTuning items: the ranking" in outcome.out
    assert " 12 held-out items: " in outcome.out or "Nothing was found with 12 " in outcome.out
    assert ("* chosen layers" in outcome.out) == (by == "gradient")
    saved = (tmp_path / "c" / "winner.json").exists()
    assert ("winner.json, for --settings." in outcome.out) == saved
    assert "does not help" not in outcome.out


@pytest.mark.parametrize("by", WAYS)
def test_nothing_found_is_said_in_the_same_words_whatever_chose(
    mata: Mata, tmp_path: Path, by: str
) -> None:
    """An alpha of 0 changes no answer."""
    options = ("--items", "48", "--by", by, "--alphas", "0")
    outcome = mata(*CHOOSE, "--out", tmp_path / "c", *options)
    assert outcome.code == 0
    said = (
        "\n\nNothing was found with 24 items; no difference would have shown with 80 % power, as "
    )
    assert f"{said}no answer changed.\n" in f"\n\n{outcome.out}"
    assert "there is no winner.json" in outcome.out
    assert "does not help" not in outcome.out
    assert "for --settings" not in outcome.out


def test_layers_of_another_method(mata: Mata, tmp_path: Path) -> None:
    options = ("--items", "24", "--by", "gradient", "--method", "mass", "--alphas", "1,2")
    outcome = mata(*CHOOSE, "--out", tmp_path / "c", *options)
    assert outcome.code == 0
    assert "gradient, 12 tuning items: derivative" in outcome.out
    ranking = outcome.out.partition("Tuning items: the ranking")[2]
    assert "\nmass, alpha 2, layers " in ranking
    assert "\nalpha " not in ranking
    evidence = json.loads((tmp_path / "c" / "evidence.json").read_text())
    assert evidence["made_from"]["by"] == evidence["evidence"]["by"] == "gradient"
    assert evidence["made_from"]["method"] == Mass().as_data()
    assert evidence["evidence"]["setting"]["method"] == "mass"


def test_gains_fitted_to_zero_are_not_run(
    mata: Mata, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tune, "Fitting", lambda: Fitting(steps=0))
    out = tmp_path / "c"
    command = (*CHOOSE, "--out", out, "--items", "48", "--by", "tune")
    outcome = mata(*command)
    assert outcome.code == 0
    least = min(own for count in range(25) if (own := smallest_difference(24, count)))
    unseen = f"differences below {100 * least:.1f} points could not have been seen"
    assert outcome.out.endswith(f"\n\nNothing was found with 24 items; {unseen}.\n")
    assert "other tuning items" in outcome.out
    assert "no gain is kept." in outcome.out
    for absent in ("Held-out items", "help", "for --settings", "* layers", "are kept"):
        assert absent not in outcome.out
    assert {path.name for path in out.iterdir()} <= {"evidence.json", ".lock"}
    assert mata(*command).out == outcome.out


def test_evidence_as_text() -> None:
    evidence = Evidence(
        by="m",
        unit="u",
        spread="95 % interval",
        scores=(0.5, -1.0, 0.0),
        low=(0.4, -1.1, 0.0),
        high=(0.6, -0.9, 0.1),
        items=7,
        setting=MATA(layers=[1, 2]),
    )
    lines = evidence_text(evidence).splitlines()
    assert lines[0] == "m, 7 tuning items: u"
    assert lines[2].endswith("95 % interval")
    assert lines[3].startswith("  layer 0")
    assert lines[3].endswith("#" * 15)
    assert lines[4].startswith("* layer 1")
    assert lines[4].endswith("-" * 30)
    assert lines[5].endswith("+0.1000")
    assert lines[-1] == "* chosen layers"


def test_fitted_gains_as_text() -> None:
    point = {"loss": 0.5, "gained": 3, "lost": 1}
    evidence = Evidence(
        by="tune",
        unit="u",
        spread="least to greatest",
        scores=(0.0, 0.5),
        low=(0.0, 0.0),
        high=(0.0, 1.0),
        items=30,
        setting=MATA(gains=[[0, 0], [0, 1]]),
        facts={
            "fitting": {
                "numbers": 4,
                "steps": 40,
                "folds": 1,
                "passed_over": 0,
                "fitted_on": 20,
                "validated_on": 10,
                "kept_after_steps": 7,
                "validation_before": {"loss": 0.75, "gained": 0, "lost": 0},
                "validation_after": point,
            }
        },
    )
    text = evidence_text(evidence)
    assert "\n* layers with chosen heads, 1 of 4 in all\n" in text
    fitted = (
        "4 numbers fitted on 20 tuning items in up to 40 steps. The gains after step 7 are kept"
    )
    assert fitted in text
    assert "loss 0.7500 to 0.5000, 3 answers gained, 1 lost." in text


def test_every_command_takes_the_file(mata: Mata, clip: Path, tmp_path: Path) -> None:
    """A table of gains in ``eval``, ``demo`` and ``ask``; other options go over it."""
    file = tmp_path / "mata.json"
    MATA(gains=[[0.0] * 4] * 11 + [[1.0, 0, 0, 0]]).save(file)
    run = ("tiny", "--task", "tiny", "--items", "6", "--settings", file)
    assert mata("eval", *run, "--out", tmp_path / "run").code == 0
    identity = json.loads((tmp_path / "run" / "run.json").read_text())["identity"]
    assert identity["settings"]["MATA"]["method"]["gains"][11] == [1.0, 0, 0, 0]
    outcome = mata("demo", "--items", "6", "--settings", file, "--out", tmp_path / "demo")
    assert "12 x 4 gains from 0 to 1" in outcome.out
    asked = ("ask", "tiny", "Which sound is this?", "--audio", clip, "--settings", file)
    assert "12 x 4 gains" in mata(*asked).out + mata(*asked).err
    over = mata(*asked, "--layers", "3-7")
    assert "alpha 0.1, layers 3-7" in over.out + over.err
    none = tmp_path / "none.json"
    assert f"no such settings file: {none}: give" in error_line(mata(*asked[:-1], none))
