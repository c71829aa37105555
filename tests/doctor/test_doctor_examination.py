"""A healthy model passes every check; whatever is broken on purpose fails the check for it."""

from __future__ import annotations

import copy
import dataclasses
import sys
from typing import Any

import pytest
import torch

from mata_audio import attachment, backends, steered_layer
from mata_audio.attachment import Attachment
from mata_audio.calls import Calls
from mata_audio.doctor import cost, examination, passes
from mata_audio.doctor import exam as exams
from mata_audio.doctor.check import Check, Skipped
from mata_audio.doctor.exam import Exam, choose_setting
from mata_audio.doctor.examination import CHECKS, examine
from mata_audio.doctor.patient import Patient
from mata_audio.families import locate
from mata_audio.scaled_keys import ScaledKeys

UNDER_TEST = pytest.MonkeyPatch


def outcome(exam: Exam, name: str) -> str:
    """What becomes of one check; an exception inside it is a failure, as in a whole examination."""
    found = examination._result(name, lambda: CHECKS[name](exam), debug=False)
    assert found.name == name
    if found.outcome == "fail":
        assert found.advice or found.figure
    return found.outcome


def test_a_healthy_model_passes(patient: Patient) -> None:
    told: list[str] = []
    report = examine(patient, progress=told.append)
    outcomes = {check.name: check.outcome for check in report.checks}
    assert report.ok
    assert outcomes.pop("flash_attention_2 and sdpa") in ("skip", "pass")
    assert outcomes.pop("overhead") == "info"
    assert set(outcomes.values()) == {"pass"}
    assert told == [check.name for check in report.checks]
    assert 0 < report.worst < 1e-5


def test_each_prompt_of_the_patient(patient: Patient) -> None:
    assert patient.clips == (1, 2, 0)
    assert patient.with_clips == [0, 1]
    left, right = patient.batch("left"), patient.batch("right")
    for i in range(3):
        ids = patient.alone(i)["input_ids"][0]
        for inputs in (left, right):
            assert torch.equal(inputs["input_ids"][i][inputs["attention_mask"][i].bool()], ids)
    assert not torch.equal(left["attention_mask"], right["attention_mask"])


def test_a_wrong_sign(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    original = steered_layer.attend_rows

    def negated(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **{**kwargs, "gain": -kwargs["gain"]})

    monkeypatch.setattr(steered_layer, "attend_rows", negated)
    for formula in ("multiply", "absolute", "add"):
        assert outcome(exam, f"full scores, {formula}") == "fail"
        assert outcome(exam, f"generate, {formula}") == "fail"
    assert outcome(exam, "full scores, a given answer") == "fail"
    assert outcome(exam, "alpha 0 is the baseline") == "pass"


def test_nothing_is_changed_at_all(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    """Two ways that both do nothing agree, and fail all the same."""
    original = steered_layer.attend_rows

    def plain(*args: Any, **kwargs: Any) -> Any:
        return original(*args, **{**kwargs, "gain": torch.zeros_like(kwargs["gain"])})

    monkeypatch.setattr(steered_layer, "attend_rows", plain)
    monkeypatch.setattr(ScaledKeys, "scale", lambda *args: None)
    names = set(CHECKS) - {
        "alpha 0 is the baseline",
        "flash_attention_2 and sdpa",
        "cached keys put back",
        "share of negative scores",
        "overhead",
    }
    assert {name: outcome(exam, name) for name in names} == dict.fromkeys(names, "fail")


def test_a_mask_that_leaks(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    monkeypatch.setattr(steered_layer, "rows_mask", lambda *args, **kwargs: None)
    assert outcome(exam, "full scores, multiply") == "fail"
    assert outcome(exam, "batch padded on the left") == "fail"
    assert outcome(exam, "batch padded on the right") == "fail"
    assert outcome(exam, "generate, absolute") == "pass"  # one prompt, no padding: nothing to see


def test_keys_that_stay_scaled(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    monkeypatch.setattr(ScaledKeys, "restore", lambda self: None)
    assert outcome(exam, "cached keys put back") == "fail"
    assert outcome(exam, "generate, multiply") == "pass"


def test_keys_that_are_put_back_at_the_end_alone(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    """After an exception they stay scaled."""
    original = ScaledKeys.restore

    def restore(self: ScaledKeys) -> None:
        if sys.exc_info()[0] is None:
            original(self)

    monkeypatch.setattr(ScaledKeys, "restore", restore)
    assert outcome(exam, "cached keys put back") == "fail"


def test_keys_that_are_scaled_wrongly(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    original = ScaledKeys.scale
    monkeypatch.setattr(ScaledKeys, "scale", lambda s, n, key, gain: original(s, n, key, 2 * gain))
    assert outcome(exam, "generate, multiply") == "fail"
    assert outcome(exam, "cache and no cache") == "fail"
    assert outcome(exam, "beams") == "fail"
    assert outcome(exam, "full scores, multiply") == "pass"
    assert outcome(exam, "generate, add") == "pass"


def test_one_backend_that_is_not_steered(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    original = steered_layer.SteeredLayer.__call__

    def call(self: Any, module: Any, q: Any, k: Any, v: Any, mask: Any, **kwargs: Any) -> Any:
        if self.config._attn_implementation == "eager":
            return backends.call_original(module, self.config, q, k, v, mask, **kwargs)
        return original(self, module, q, k, v, mask, **kwargs)

    monkeypatch.setattr(steered_layer.SteeredLayer, "__call__", call)
    assert outcome(exam, "eager and sdpa") == "fail"
    assert outcome(exam, "full scores, multiply") == "pass"


def forget_a_layer(self: Attachment) -> None:
    """Detach, but for the last layer."""
    layer = self._layers[-1] if self._layers else None
    self._undo.close()
    if layer is not None:
        module = self._located.attentions[layer.index]
        module.config = backends.rerouted_config(layer.config, lambda *a, **k: None)


def forget_a_hook(self: Attachment) -> None:
    """Detach, and leave a hook that does nothing."""
    self._undo.close()
    self._located.listener.register_forward_hook(lambda *_: None)


@pytest.mark.parametrize("forgetful", [forget_a_layer, forget_a_hook])
def test_a_model_that_is_not_restored(
    patient: Patient, exam: Exam, monkeypatch: UNDER_TEST, forgetful: Any
) -> None:
    own = copy.deepcopy(patient.model)
    broken = dataclasses.replace(patient, model=own, located=locate(own))
    monkeypatch.setattr(Attachment, "detach", forgetful)
    broken_exam = dataclasses.replace(exam, patient=broken)
    assert outcome(broken_exam, "restored after an exception") == "fail"


def test_wrong_count_of_negative_scores(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    shown = property(lambda self: dataclasses.replace(receipt(self), negative_share=0.99))
    receipt = Attachment.receipt.fget
    monkeypatch.setattr(Attachment, "receipt", shown)
    assert outcome(exam, "share of negative scores") == "fail"


def test_alpha_zero_that_changes_something(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    original = passes.read

    def read(patient: Patient, inputs: Any) -> torch.Tensor:
        return original(patient, inputs) + (1e-6 if patient.listener in attachment._attached else 0)

    monkeypatch.setattr("mata_audio.doctor.equality.read", read)
    assert outcome(exam, "alpha 0 is the baseline") == "fail"


def test_an_exception_is_a_failure_and_hides_nothing(
    patient: Patient, monkeypatch: UNDER_TEST, capsys: pytest.CaptureFixture[str]
) -> None:
    def start_generation(self: Calls, *_: Any) -> bool:
        raise RuntimeError("no\nmemory")

    monkeypatch.setattr(Calls, "start_generation", start_generation)
    report = examine(patient, debug=True)
    failed = {check.name: check for check in report.failures}
    assert not report.ok
    assert failed["generate, multiply"].figure == "RuntimeError: no memory"
    assert "--debug" in failed["generate, multiply"].advice
    assert "Traceback" in capsys.readouterr().err
    assert "full scores, multiply" not in failed


def test_no_setting_that_shows(patient: Patient, monkeypatch: UNDER_TEST) -> None:
    """Where attention to audio does not matter, agreement proves nothing: a failure, and skips."""
    monkeypatch.setattr(exams, "ALPHAS", (1e-9,))
    report = examine(patient)
    outcomes = {check.name: check.outcome for check in report.checks}
    assert outcomes["a setting that shows"] == "fail"
    assert outcomes["full scores, multiply"] == "skip"
    assert outcomes["beams"] == "skip"


def test_checks_that_cannot_be_made_without_a_setting(
    patient: Patient, monkeypatch: UNDER_TEST
) -> None:
    def fails(patient: Patient) -> Exam:
        raise RuntimeError("the reference does not run")

    monkeypatch.setattr(examination, "choose_setting", fails)
    report = examine(patient)
    assert [check.name for check in report.failures] == ["a setting that shows"]
    assert report.count("skip") == len(CHECKS)


def test_alpha_is_raised_until_it_shows(patient: Patient, monkeypatch: UNDER_TEST) -> None:
    monkeypatch.setattr(exams, "ALPHAS", (1e-7, 1.0, 2.0))
    assert choose_setting(patient).alpha == 1.0


def test_bounds(exam: Exam) -> None:
    with pytest.raises(Skipped, match="less than this model's own"):
        exam.judge("x", 0.0, 10 * exam.effect, 1.0, "")
    bound = exam.bound(0.0)
    assert exam.judge("x", bound, 0.0, exam.effect, "do").advice == ""
    assert exam.judge("x", 1.01 * bound, 0.0, exam.effect, "do") == Check(
        "x",
        "fail",
        f"difference {1.01 * bound:.1e}, at most {bound:.1e} (effect {exam.effect:.1e})",
        "do",
        1.01 * bound,
    )
    assert exam.judge("x", float("inf"), 0.0, exam.effect, "do").outcome == "fail"
    assert exam.judge("x", 0.0, 0.0, bound, "do").outcome == "fail"


def test_half_precision(patient: Patient, monkeypatch: UNDER_TEST) -> None:
    """The bound comes from the model's own backends; a wrong formula is still seen."""
    half = copy.deepcopy(patient.model).to(torch.bfloat16)
    exam = choose_setting(
        dataclasses.replace(patient, model=half, located=locate(half), name="half")
    )
    assert exam.half
    assert outcome(exam, "full scores, multiply") == "pass"
    assert outcome(exam, "eager and sdpa") == "pass"
    original = steered_layer.attend_rows
    monkeypatch.setattr(
        steered_layer,
        "attend_rows",
        lambda *args, **kwargs: original(*args, **{**kwargs, "gain": -kwargs["gain"]}),
    )
    assert outcome(exam, "full scores, multiply") == "fail"


def test_overhead_is_never_judged(exam: Exam, monkeypatch: UNDER_TEST) -> None:
    monkeypatch.setattr(cost, "ROUNDS", 1)
    assert cost.overhead(exam).outcome == "info"
