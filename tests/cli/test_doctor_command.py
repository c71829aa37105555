"""``mata doctor``."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from running import Mata

from mata_audio.doctor import all_families
from mata_audio.doctor.check import Check, DoctorReport
from mata_audio.doctor.examine import checks
from mata_audio.doctor.facts import SETTING
from mata_audio.steering.scaled_keys import ScaledKeys

NAMES = ["decoder and audio tokens", "dtype and device", SETTING, *checks()]


def test_a_healthy_model(mata: Mata, tmp_path: Path) -> None:
    path = tmp_path / "doctor.json"
    outcome = mata("doctor", "tiny", "--json", path)
    assert outcome.code == 0
    assert "mata: checking: beams\n" in outcome.err
    assert "pass  full scores, multiply " in outcome.out
    assert " 0 failed, " in outcome.out.splitlines()[-1]
    assert max(map(len, outcome.out.splitlines())) <= 100
    data = json.loads(path.read_text())
    assert data["ok"] is True
    ours = {
        "mata-audio",
        "transformers",
        "torch",
        "tokenizers",
        "numpy",
        "soundfile",
        "soxr",
        "python",
    }
    assert set(data["versions"]) == ours
    (report,) = data["reports"]
    assert [check["name"] for check in report["checks"]] == NAMES
    assert report["class"] == "Qwen2AudioForConditionalGeneration"
    assert {"outcome", "figure", "advice", "difference"} < set(report["checks"][0])
    assert report["worst_difference"] == max(
        check["difference"] for check in report["checks"] if check["difference"] is not None
    )


def test_a_failure_is_exit_code_1(
    mata: Mata, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, qwen2_audio_folder: Path
) -> None:
    monkeypatch.setattr(ScaledKeys, "restore", lambda self: None)
    path = tmp_path / "doctor.json"
    outcome = mata("doctor", qwen2_audio_folder, "--json", path)
    assert outcome.code == 1
    failed = [line for line in outcome.out.splitlines() if line.startswith("fail")]
    assert len(failed) == 1
    assert "cached keys put back" in failed[0]
    assert "-> do not reuse a cache from steered generation" in outcome.out
    data = json.loads(path.read_text())
    assert data["ok"] is data["reports"][0]["ok"] is False


def test_all_families(mata: Mata, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """One line a family; what failed, in full."""
    fine = (Check("beams", "pass", "fine", "", 1e-6),)
    faulty = (Check("beams", "fail", "far off", "do this", 0.5), Check("x", "skip", "why"))
    reports = {
        "good": DoctorReport("good", "Good", fine, 1.0),
        "bad": DoctorReport("bad", "Bad", faulty, 1.0),
    }

    def examined(names: Any, *_: Any) -> Any:
        return iter([reports[name] for name in names])

    monkeypatch.setattr(all_families, "examine_families", examined)
    monkeypatch.setattr(all_families, "family_names", lambda: ("good", "bad"))
    path = tmp_path / "all.json"
    outcome = mata("doctor", "--all-families", "--json", path)
    assert outcome.code == 1
    lines = outcome.out.splitlines()
    assert lines[1].split() == ["good", "Good", "1", "0", "0", "1.0e-06"]
    assert lines[2].split() == ["bad", "Bad", "0", "1", "1", "5.0e-01"]
    assert lines[3].split() == ["fail", "beams", "far", "off"]
    assert lines[4].strip() == "-> do this"
    assert lines[-1] == "1 of 2 families passed"
    assert [report["model"] for report in json.loads(path.read_text())["reports"]] == [*reports]
    monkeypatch.setattr(all_families, "family_names", lambda: ("good",))
    assert mata("doctor", "--all-families").code == 0


def test_help(mata: Mata) -> None:
    outcome = mata("doctor", "--help")
    assert outcome.code == 0
    assert "examples:\n  mata doctor tiny" in outcome.out
    assert max(map(len, outcome.out.splitlines())) <= 100
