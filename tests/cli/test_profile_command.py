"""``mata profile``: what it prints and writes, and every wrong use."""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pytest
from running import Outcome

from mata_audio.cli import profile as command
from mata_audio.cli.parser import Parser
from mata_audio.errors import DataError, RunError, SettingsError
from mata_audio.profiling import Profile
from paper_data import write_mmau


def arguments(*words: str | Path) -> argparse.Namespace:
    parser = Parser(prog="mata", description="for the test")
    command.add_parser(parser.add_subparsers(required=True))
    return parser.parse_args(["profile", *map(str, words)])


@pytest.fixture
def profiled(capsys: pytest.CaptureFixture[str], recwarn: pytest.WarningsRecorder):  # type: ignore
    def run(*words: str | Path) -> Outcome:
        args = arguments(*words)
        capsys.readouterr()
        code = args.run(args)
        return Outcome(code, *capsys.readouterr())

    return run


TINY = ("tiny", "--task", "tiny", "--items", "6")


def test_embedded_model(profiled, tmp_path: Path) -> None:  # type: ignore
    file = tmp_path / "profile.json"
    outcome = profiled(*TINY, "--new-tokens", "1", "--json", file)
    assert outcome.code == 0
    assert "tiny on tiny test: 6 items" in outcome.out
    assert "off: baseline, on: MATA (multiply, alpha 2, layers 3-7 of 0-11" in outcome.out
    header = next(line for line in outcome.out.splitlines() if line.startswith("layer"))
    kinds = ["audio", "instruction", "generated", "special", "sink"]
    assert header.split() == ["layer", *kinds, "imbalance", "A", "<", "0"]
    rows = [line.split() for line in outcome.out.splitlines() if line[:5].strip().isdigit()]
    assert [row[0] for row in rows] == [str(layer) for layer in range(12)]
    assert max(len(line) for line in outcome.out.splitlines()) <= 100

    found = Profile.load(file)
    assert found.items == 6
    assert (found.facts["model"], found.facts["task"], found.facts["failed"]) == (
        "tiny", "tiny", {},
    )  # fmt: skip
    before, after = found.attention["baseline"], found.attention["MATA"]
    np.testing.assert_allclose(before.mean.sum(2), 1, atol=1e-6)
    np.testing.assert_array_equal(before.mean[:3], after.mean[:3])  # below the steered layers
    assert (before.mean[3] != after.mean[3]).any()
    audio = 100 * before.of("audio", found.kinds)
    assert [float(row[1]) for row in rows] == pytest.approx(audio.tolist(), abs=0.051)
    assert [float(row[-3]) for row in rows] == pytest.approx(after.imbalance.tolist(), abs=0.0051)


def test_settings_and_baseline_alone(profiled) -> None:  # type: ignore
    two = profiled(*TINY, "--setting", "alpha=0.5 layers=2", "--setting", "alpha=0.5 layers=3")
    assert two.out.count("off: baseline, on: ") == 2
    alone = profiled(*TINY, "--baseline-only")
    assert "off: " not in alone.out
    assert "\nbaseline\nlayer " in alone.out


def test_items_that_cannot_be_read_are_left_out(  # type: ignore
    profiled, qwen2_audio_folder: Path, tmp_path: Path
) -> None:
    data = write_mmau(tmp_path / "MMAU", n=3)
    clips = sorted((data / "test-mini").glob("*.wav"))
    clips[0].write_bytes(b"")
    words = (qwen2_audio_folder, "--task", "mmau", "--data", data, "--baseline-only")
    outcome = profiled(*words)
    assert "mmau test-mini: 2 items" in outcome.out
    assert "is left out: AudioError" in outcome.err
    for clip in clips:
        clip.write_bytes(b"")
    with pytest.raises(RunError, match="not one of the items"):
        profiled(*words)


@pytest.mark.parametrize(
    ("options", "error", "words"),
    [
        (["--task", "chess"], SettingsError, "mmau"),
        (["--task", "mmau"], DataError, "needs its data"),
        (["--task", "tiny", "--items", "0"], SettingsError, "--items"),
        (["--task", "tiny", "--new-tokens", "-1"], SettingsError, "--new-tokens"),
        (["--task", "tiny", "--batch-size", "0"], SettingsError, "batch_size"),
        (["--task", "tiny", "--json", "nowhere/profile.json"], SettingsError, "no folder"),
        (["--task", "tiny", "--layers", "40"], SettingsError, "numbered 0-11"),
    ],
)
def test_wrong_use(profiled, options: list[str], error: type, words: str) -> None:  # type: ignore
    with pytest.raises(error, match=words):
        profiled("tiny", *options)
