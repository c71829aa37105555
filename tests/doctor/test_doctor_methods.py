"""The doctor examines every method: a fault in any of them fails its check, and no other."""

from __future__ import annotations

import copy
import dataclasses
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch

from mata_audio.doctor import examine as examination
from mata_audio.doctor import plain_methods
from mata_audio.doctor.check import Check
from mata_audio.doctor.examine import checks
from mata_audio.doctor.patient import Patient
from mata_audio.doctor.plain_methods import ENTRIES, to_examine
from mata_audio.doctor.trial_setting import TrialSetting, choose_setting
from mata_audio.families import locate
from mata_audio.methods import AAD, METHODS, VAF, Method
from mata_audio.methods.one_change import OneChange
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.rule import UNHEARD, Change, FirstLook, Rule

COMBINED = ("aad", "contrast", "changes", "gacl", "pai", "tcd", "vcd")
LOOKING = ("adaptvis", "caac")


def result(trial: TrialSetting, name: str) -> Check:
    """The check of one method; an exception in it is a failure, as in a whole examination."""
    check = checks()[f"method {name}"]
    return examination._result(f"method {name}", partial(check, trial), debug=False)


def faulty(name: str, change: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a method do what ``change`` returns for its rule."""
    original = METHODS[name].rule
    monkeypatch.setattr(METHODS[name], "rule", lambda self: change(original(self)))


def test_every_method_but_those_of_one_change_has_an_entry() -> None:
    assert set(to_examine()) == set(ENTRIES) == {*COMBINED, *LOOKING, "vaf"}
    assert {f"method {name}" for name in ENTRIES} <= set(checks())
    assert all(issubclass(METHODS[name], OneChange) for name in set(METHODS) - set(ENTRIES))


@pytest.mark.parametrize("name", ENTRIES)
def test_a_healthy_method(trial: TrialSetting, name: str) -> None:
    found = result(trial, name)
    assert (found.outcome, found.name) == ("pass", f"method {name}")
    assert found.difference is not None
    assert found.difference < 1e-5
    assert found.figure.endswith("; neutral 0")


@pytest.mark.parametrize("name", COMBINED)
def test_a_wrong_combination(
    trial: TrialSetting, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits that are off by a fifth of what the method adds."""

    def wrong(rule: Rule) -> Rule:
        if rule.combine is None:
            return rule
        combine = rule.combine

        def combined(logits: Any, *more: Any) -> Any:
            heard = logits[0]
            return heard + 0.8 * (combine(logits, *more) - heard)

        return replace(rule, combine=combined)

    faulty(name, wrong, monkeypatch)
    found = result(trial, name)
    assert found.outcome == "fail"
    assert found.advice.startswith("it does not give the logits of its definition: MATA has a bug")


@pytest.mark.parametrize("name", LOOKING)
def test_a_wrong_strength(trial: TrialSetting, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def wrong(rule: Rule) -> Rule:
        if rule.look is None:
            return rule
        strength = rule.look.strength
        look = FirstLook(lambda logits: 0.8 * strength(logits), rule.look.each_step)
        return replace(rule, look=look)

    faulty(name, wrong, monkeypatch)
    assert result(trial, name).outcome == "fail"


@pytest.mark.parametrize("name", LOOKING)
def test_a_look_at_the_wrong_moments(
    trial: TrialSetting, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def other(rule: Rule) -> Rule:
        if rule.look is None:
            return rule
        return replace(rule, look=replace(rule.look, each_step=not rule.look.each_step))

    faulty(name, other, monkeypatch)
    assert result(trial, name).outcome == "fail"


@pytest.mark.parametrize("forgotten", ["changes", "rows"])
def test_half_of_vaf(trial: TrialSetting, monkeypatch: pytest.MonkeyPatch, forgotten: str) -> None:
    """Without the change before the audio, or without the rows of the question."""

    def half(rule: Rule) -> Rule:
        if forgotten == "rows":
            return replace(rule, rows=Rule(((),)).rows)
        return replace(rule, views=(rule.views[0][:1],))

    faulty(VAF.name, half, monkeypatch)
    assert result(trial, VAF.name).outcome == "fail"


@pytest.mark.parametrize("name", ["aad", "pai", "contrast", "changes"])
def test_a_view_that_hears(trial: TrialSetting, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """The second view hears the audio in one layer."""
    deaf = (Change("mass", -1.0, layers="1-3"),)
    faulty(
        name,
        lambda rule: replace(rule, views=(rule.views[0], deaf)[: len(rule.views)]),
        monkeypatch,
    )
    assert result(trial, name).outcome == "fail"


def test_a_neutral_setting_that_changes_something(
    trial: TrialSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def restless(rule: Rule) -> Rule:
        if rule.combine is not None:
            return rule
        return Rule(((), UNHEARD), combine=lambda logits: logits[0] + 1e-5)

    faulty(AAD.name, restless, monkeypatch)
    found = result(trial, AAD.name)
    assert found.outcome == "fail"
    assert found.advice.startswith("its neutral setting changes logits: ")


def test_a_model_that_is_not_restored(
    patient: Patient, trial: TrialSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    def forgetful(self: Attachment) -> None:
        self._undo.close()
        self._located.listener.register_forward_hook(lambda *_: None)

    monkeypatch.setattr(Attachment, "detach", forgetful)
    own = copy.deepcopy(patient.model)
    broken = dataclasses.replace(patient, model=own, located=locate(own))
    found = result(replace(trial, patient=broken), AAD.name)
    assert found.outcome == "fail"
    assert "was not restored" in found.advice


@dataclass(frozen=True)
class _MadeUp(Method):
    """Its name is empty, so that it is no method of the program."""


def test_a_method_that_the_doctor_does_not_know_fails(
    trial: TrialSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(METHODS, "made-up", _MadeUp)
    assert "method made-up" in checks()
    found = result(trial, "made-up")
    assert found.outcome == "fail"
    assert found.figure == "the doctor does not know what the method 'made-up' must give"
    assert found.advice.startswith("write an entry for it into ENTRIES of src/mata_audio/doctor/")


def test_methods_that_choose_tokens_are_skipped_in_16_bits(patient: Patient) -> None:
    own = copy.deepcopy(patient.model).to(torch.bfloat16)
    half = choose_setting(dataclasses.replace(patient, model=own, located=locate(own)))
    outcomes = {name: result(half, name).outcome for name in ENTRIES}
    jumping = {name for name, entry in plain_methods.ENTRIES.items() if entry.jumps}
    assert jumping == {"gacl", "tcd"}
    assert {name for name, outcome in outcomes.items() if outcome == "skip"} == jumping
    assert set(outcomes.values()) == {"pass", "skip"}


def test_a_method_that_shows_nothing_here_is_skipped(
    trial: TrialSetting, monkeypatch: pytest.MonkeyPatch
) -> None:
    still = replace(ENTRIES["aad"], fields=lambda trial, plain: {"alpha": 1e-9})
    monkeypatch.setitem(ENTRIES, "aad", still)
    found = result(trial, "aad")
    assert found.outcome == "skip"
    assert "agreement would prove nothing" in found.figure
