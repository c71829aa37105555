"""A healthy model passes every check; each deliberate fault fails the check for it."""

from __future__ import annotations

import copy
import dataclasses
import sys
from typing import Any

import pytest
import torch

from mata_audio.doctor import examine as examination
from mata_audio.doctor import overhead, passes
from mata_audio.doctor import trial_setting as trials
from mata_audio.doctor.check import Check, Skipped
from mata_audio.doctor.examine import checks, examine
from mata_audio.doctor.facts import SETTING
from mata_audio.doctor.patient import Patient
from mata_audio.doctor.trial_setting import TrialSetting, choose_setting
from mata_audio.families import locate
from mata_audio.steering import attachment, backends
from mata_audio.steering import layer as steered_layer
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.listening import Listening
from mata_audio.steering.scaled_keys import ScaledKeys
from mata_audio.steering.tracker import PassTracker

UNDER_TEST = pytest.MonkeyPatch


def outcome(trial: TrialSetting, name: str) -> str:
    """Outcome of one check; an exception in it is a failure, as in a whole examination."""
    found = examination._result(name, lambda: checks()[name](trial), debug=False)
    assert found.name == name
    if found.outcome == "fail":
        assert found.advice or found.figure
    return found.outcome


def copied(patient: Patient) -> Patient:
    own = copy.deepcopy(patient.model)
    return dataclasses.replace(patient, model=own, located=locate(own))


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


def test_a_wrong_sign(trial: TrialSetting, change_gains: Any) -> None:
    change_gains(torch.neg)
    for formula in FORMULAS:
        assert outcome(trial, f"full scores, {formula}") == "fail"
        assert outcome(trial, f"generate, {formula}") == "fail"
    assert outcome(trial, "full scores, a given answer") == "fail"
    assert outcome(trial, "alpha 0 is the baseline") == "pass"


@pytest.mark.usefixtures("unsteered")
def test_nothing_is_changed_at_all(trial: TrialSetting) -> None:
    """Two methods that both do nothing agree, and must still fail."""
    names = set(checks()) - {
        "alpha 0 is the baseline",
        "flash_attention_2 and sdpa",
        "cached keys put back",
        "share of negative scores",
        "overhead",
        *(f"method {name}" for name in ("gacl", "tcd", "vcd")),  # these change no attention
    }
    assert {name: outcome(trial, name) for name in names} == dict.fromkeys(names, "fail")


def test_a_mask_that_leaks(trial: TrialSetting, monkeypatch: UNDER_TEST) -> None:
    monkeypatch.setattr(steered_layer, "rows_mask", lambda *args, **kwargs: None)
    assert outcome(trial, "full scores, multiply") == "fail"
    assert outcome(trial, "batch padded on the left") == "fail"
    assert outcome(trial, "batch padded on the right") == "fail"
    assert outcome(trial, "generate, absolute") == "pass"  # one prompt, no padding: no leak


def test_keys_that_stay_scaled(trial: TrialSetting, monkeypatch: UNDER_TEST) -> None:
    monkeypatch.setattr(ScaledKeys, "restore", lambda self: None)
    assert outcome(trial, "cached keys put back") == "fail"
    assert outcome(trial, "generate, multiply") == "pass"


def test_keys_that_are_put_back_only_at_the_end(
    trial: TrialSetting, monkeypatch: UNDER_TEST
) -> None:
    """After an exception they stay scaled."""
    original = ScaledKeys.restore

    def restore(self: ScaledKeys) -> None:
        if sys.exc_info()[0] is None:
            original(self)

    monkeypatch.setattr(ScaledKeys, "restore", restore)
    assert outcome(trial, "cached keys put back") == "fail"


def test_keys_that_are_scaled_wrongly(trial: TrialSetting, monkeypatch: UNDER_TEST) -> None:
    original = ScaledKeys.scale
    monkeypatch.setattr(ScaledKeys, "scale", lambda s, n, key, gain: original(s, n, key, 2 * gain))
    assert outcome(trial, "generate, multiply") == "fail"
    assert outcome(trial, "cache and no cache") == "fail"
    assert outcome(trial, "beams") == "fail"
    assert outcome(trial, "full scores, multiply") == "pass"
    assert outcome(trial, "generate, add") == "pass"


def test_one_backend_that_is_not_steered(trial: TrialSetting, monkeypatch: UNDER_TEST) -> None:
    original = steered_layer.SteeredLayer.__call__

    def call(self: Any, module: Any, q: Any, k: Any, v: Any, mask: Any, **kwargs: Any) -> Any:
        if self.config._attn_implementation == "eager":
            return backends.call_original(module, self.config, q, k, v, mask, **kwargs)
        return original(self, module, q, k, v, mask, **kwargs)

    monkeypatch.setattr(steered_layer.SteeredLayer, "__call__", call)
    assert outcome(trial, "eager and sdpa") == "fail"
    assert outcome(trial, "full scores, multiply") == "pass"


def forget_a_layer(self: Attachment) -> None:
    """Detach all but the last layer."""
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
    patient: Patient, trial: TrialSetting, monkeypatch: UNDER_TEST, forgetful: Any
) -> None:
    monkeypatch.setattr(Attachment, "detach", forgetful)
    broken = dataclasses.replace(trial, patient=copied(patient))
    assert outcome(broken, "restored after an exception") == "fail"


def test_wrong_count_of_negative_scores(trial: TrialSetting, monkeypatch: UNDER_TEST) -> None:
    wrong = Listening(negative_scores=99, audio_scores=100)
    shown = property(lambda self: dataclasses.replace(receipt(self), listening=wrong))
    receipt = Attachment.receipt.fget
    monkeypatch.setattr(Attachment, "receipt", shown)
    assert outcome(trial, "share of negative scores") == "fail"


def test_alpha_zero_that_changes_something(trial: TrialSetting, monkeypatch: UNDER_TEST) -> None:
    original = passes.read

    def read(patient: Patient, inputs: Any) -> torch.Tensor:
        return original(patient, inputs) + (
            1e-6 if attachment._ATTACHMENT in vars(patient.listener) else 0
        )

    monkeypatch.setattr("mata_audio.doctor.equality.read", read)
    assert outcome(trial, "alpha 0 is the baseline") == "fail"


def test_an_exception_is_a_failure_and_hides_nothing(
    patient: Patient, monkeypatch: UNDER_TEST, capsys: pytest.CaptureFixture[str]
) -> None:
    def generation(self: PassTracker, *_: Any) -> Any:
        raise RuntimeError("no\nmemory")

    monkeypatch.setattr(PassTracker, "generation", generation)
    report = examine(patient, debug=True)
    failed = {check.name: check for check in report.failures}
    assert not report.ok
    assert failed["generate, multiply"].figure == "RuntimeError: no memory"
    assert "--debug" in failed["generate, multiply"].advice
    assert "Traceback" in capsys.readouterr().err
    assert "full scores, multiply" not in failed


def test_no_setting_that_shows(patient: Patient, monkeypatch: UNDER_TEST) -> None:
    """If attention to audio does not matter, agreement proves nothing: a failure, and skips."""
    monkeypatch.setattr(trials, "ALPHAS", (1e-9,))
    report = examine(patient)
    outcomes = {check.name: check.outcome for check in report.checks}
    assert outcomes[SETTING] == "fail"
    assert outcomes["full scores, multiply"] == "skip"
    assert outcomes["beams"] == "skip"


def test_checks_that_need_a_setting_are_skipped_without_one(
    patient: Patient, monkeypatch: UNDER_TEST
) -> None:
    def fails(patient: Patient) -> TrialSetting:
        raise RuntimeError("the reference does not run")

    monkeypatch.setattr(examination, "choose_setting", fails)
    report = examine(patient)
    assert [check.name for check in report.failures] == [SETTING]
    assert report.count("skip") == len(checks())


def test_alpha_is_raised_until_it_shows(patient: Patient, monkeypatch: UNDER_TEST) -> None:
    monkeypatch.setattr(trials, "ALPHAS", (1e-7, 1.0, 2.0))
    assert choose_setting(patient).alpha == 1.0


def test_bounds(trial: TrialSetting) -> None:
    with pytest.raises(Skipped, match="less than this model's own"):
        trial.judge("x", 0.0, 10 * trial.effect, 1.0, "")
    bound = trial.bound(0.0)
    assert trial.judge("x", bound, 0.0, trial.effect, "do").advice == ""
    assert trial.judge("x", 1.01 * bound, 0.0, trial.effect, "do") == Check(
        "x",
        "fail",
        f"difference {1.01 * bound:.1e}, allowed {bound:.1e} (effect {trial.effect:.1e})",
        "do",
        1.01 * bound,
    )
    assert trial.judge("x", float("inf"), 0.0, trial.effect, "do").outcome == "fail"
    assert trial.judge("x", 0.0, 0.0, bound, "do").outcome == "fail"
    assert trial.judge("x", 1.01 * bound, 0.0, trial.effect, "").outcome == "fail"
    assert trial.judge("x", float("nan"), 0.0, trial.effect, "").outcome == "fail"


def test_half_precision(patient: Patient, change_gains: Any) -> None:
    """The bound comes from the model's own backends; a wrong formula still fails."""
    half = copied(patient)
    half.model.to(torch.bfloat16)
    trial = choose_setting(half)
    assert trial.half
    assert outcome(trial, "full scores, multiply") == "pass"
    assert outcome(trial, "eager and sdpa") == "pass"
    change_gains(torch.neg)
    assert outcome(trial, "full scores, multiply") == "fail"


def test_overhead_is_never_judged(trial: TrialSetting) -> None:
    assert overhead.overhead(trial).outcome == "info"
