"""A formula that the doctor's reference does not know yet fails, by name; all else is examined."""

from __future__ import annotations

import pytest
from torch import Tensor

from mata_audio.cli.main import main
from mata_audio.doctor import all_families
from mata_audio.doctor.examine import checks, examine
from mata_audio.doctor.patient import Patient
from mata_audio.steering.formulas import FORMULAS, Formula


def made_up(scores: Tensor, gain: Tensor) -> Tensor:
    return scores + gain * scores**2


@pytest.fixture
def new_formula(monkeypatch: pytest.MonkeyPatch) -> str:
    """A formula added after those that the doctor knows."""
    monkeypatch.setitem(FORMULAS, "made_up", Formula(on_scores=made_up))
    return "made_up"


def test_the_checks_of_the_new_formula_fail(patient: Patient, new_formula: str) -> None:
    assert {"full scores, made_up", "generate, made_up"} < set(checks())
    report = examine(patient)
    assert [check.name for check in report.failures] == [
        "full scores, made_up",
        "generate, made_up",
    ]
    for check in report.failures:
        assert check.figure == "the doctor's full scores do not know the formula 'made_up'"
        assert check.advice.startswith(
            "write the formula into CHANGES of src/mata_audio/doctor/full_scores.py"
        )
    others = {check.name: check.outcome for check in report.checks if "made_up" not in check.name}
    assert set(others.values()) <= {"pass", "skip", "info"}
    assert others["full scores, add"] == others["generate, add"] == others["beams"] == "pass"


def test_it_is_exit_code_1(
    new_formula: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(all_families, "family_names", lambda: ("qwen2_audio",))
    assert main(["doctor", "--all-families"]) == 1
    out = capsys.readouterr().out
    assert "fail  full scores, made_up " in out
    assert "fail  generate, made_up " in out
    assert out.splitlines()[-1] == "0 of 1 families passed"
