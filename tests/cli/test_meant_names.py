"""Wherever a user writes a name, the one that was meant is suggested, before a model is read."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest
from running import Mata, error_line

EVAL = "eval tiny --task tiny --out out"
SWEEP = "sweep tiny --task tiny --split tune --out out"
CHOOSE = "choose tiny --task tiny --split tune --out out"
STUDY = "study tiny --task tiny --out out"
REPRODUCE = "reproduce paper --out out"
ASK = "ask tiny What? --audio clip.wav"


@pytest.mark.parametrize(
    ("command", "meant"),
    [
        ("evla tiny", "eval"),
        (f"{ASK} --lyaers 4", "--layers"),
        (f"{EVAL} --lyaers=4", "--layers"),
        ("info tyni", "tiny"),
        ("ask tiny What? --audio clp.wav", "clip.wav"),
        ("eval tiny --task tiyn --out out", "tiny"),
        ("profile tiny --task tiyn", "tiny"),
        ("study tiny --task tiyn --out out", "tiny"),
        (f"{STUDY} --report-task tiyn", "tiny"),
        (f"{EVAL} --split tst", "test"),
        ("profile tiny --task tiny --split tst", "test"),
        (f"{STUDY} --choose-on tst", "test"),
        (f"{STUDY} --report-on tst", "test"),
        (f"{EVAL} --method mas", "mass"),
        ("methods mas", "mass"),
        ("serve tiny --method mas", "mass"),
        (f"{SWEEP} --methods mata,mas", "mass"),
        (f"{CHOOSE} --method mas", "mass"),
        (f"{STUDY} --methods mas", "mass"),
        (f"{EVAL} --formula multply", "multiply"),
        (f"{SWEEP} --formulas multply", "multiply"),
        (f"{EVAL} --rows lats", "last"),
        (f"{SWEEP} --rows all lats", "last"),
        (f"{EVAL} --tokens adio", "audio"),
        (f"{EVAL} --layers papr", "paper"),
        (f"{EVAL} --heads al", "all"),
        (f"{EVAL} --setting alfa=1", "alpha"),
        (f"{EVAL} --setting papr", "paper"),
        (f"{EVAL} --setting 'method=contrst power=1'", "contrast"),
        (f"{EVAL} --setting on_no_audio=rase", "raise"),
        (f"{EVAL} --method contrast --option powr=1", "power"),
        (f"{SWEEP} --methods contrast --grid powr=1,2", "power"),
        (f"{SWEEP} --preset paper-layer", "paper-layers"),
        (f"{EVAL} --reader final-lien", "final-line"),
        (f"{EVAL} --reader final-line+leter", "letter"),
        ("rescore run --reader leter", "letter"),
        (f"{EVAL} --template plian", "plain"),
        (f"{EVAL} --ids tiny-tst-0-000000", "tiny-test-0-000000"),
        (f"{EVAL} --where tsk=sound", "task"),
        (f"{EVAL} --where task=sonud", "sound"),
        ("profile tiny --task tiny --pictures out --listen tiny-test-000000", "tiny-test-0-000000"),
        (f"{EVAL} --dtype flaot32", "float32"),
        ("doctor tiny --dtype flaot32", "float32"),
        ("doctor --all-families --dtype flaot32", "float32"),
        (f"{EVAL} --attention eagr", "eager"),
        (f"{ASK} --attention sdap", "sdpa"),
        (f"{EVAL} --device cuad", "cuda"),
        (f"{EVAL} --batch-size atuo", "auto"),
        (f"{EVAL} --batching padedd", "padded"),
        (f"{EVAL} --on rya", "ray"),
        (f"{EVAL} --long-audio ctu", "cut"),
        (f"{CHOOSE} --by gradent", "gradient"),
        (f"{CHOOSE} --by tune --shape per-haed", "per-head"),
        (f"{CHOOSE} --by tune --kinds mas:audio", "mass"),
        (f"{CHOOSE} --by tune --kinds mass:adio", "audio"),
        (f"{CHOOSE} --by tune --keep tsk=sound", "task"),
        (f"{CHOOSE} --by tune --keep task=sonud", "sound"),
        (f"{STUDY} --fit mas", "mass"),
        (f"{STUDY} --fit mass:adio", "audio"),
        (f"{STUDY} --fit 'mass; shpe=per-layer'", "shape"),
        (f"{STUDY} --fit 'mass; shape=per-lyer'", "per-layer"),
        (f"{STUDY} --leave-out tsk", "task"),
        ("compare run:baselin run:MATA", "baseline"),
        ("compare run:baseline run:MAAT", "MATA"),
        ("report run --clips emebd", "embed"),
        ("score mmua x.json", "mmau"),
        ("reproduce papr --out out", "paper"),
        (f"{REPRODUCE} --only qwen-audio", "qwen2-audio"),
        (f"{REPRODUCE} --data mmu=x", "mmau"),
        (f"{REPRODUCE} --model qwen2-adio=x", "qwen2-audio"),
    ],
)
def test_what_was_meant(
    command: str,
    meant: str,
    mata: Mata,
    small_run: Path,
    clip: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(clip.parent)
    (clip.parent / "run").symlink_to(small_run)
    outcome = mata(*shlex.split(command))
    assert outcome.code in (1, 2)
    assert f'(did you mean "{meant}"?)' in error_line(outcome)
    assert {path.name for path in clip.parent.iterdir()} == {"clip.wav", "run"}


@pytest.mark.parametrize(
    "command",
    [
        f"{EVAL} --split xylophone",
        f"{EVAL} --ids xylophone",
        f"{EVAL} --where xylophone=1",
        f"{EVAL} --reader xylophone",
        f"{EVAL} --template xylophone",
        f"{STUDY} --methods xylophone",
        f"{STUDY} --leave-out xylophone",
        "compare run:xylophone run:MATA",
        f"{REPRODUCE} --only xylophone",
    ],
)
def test_a_word_like_no_name(
    command: str, mata: Mata, small_run: Path, clip: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(clip.parent)
    (clip.parent / "run").symlink_to(small_run)
    line = error_line(mata(*shlex.split(command)))
    assert "xylophone" in line
    assert "did you mean" not in line
