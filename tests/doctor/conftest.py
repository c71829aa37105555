"""A small model as the doctor sees it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
from torch import Tensor

from mata_audio.doctor.patient import Patient, loaded_patient
from mata_audio.doctor.trial_setting import TrialSetting, choose_setting
from mata_audio.models.loading import load
from mata_audio.steering.formulas import Formula

ChangeGains = Callable[[Callable[[Tensor], Tensor]], None]


@pytest.fixture(scope="session")
def patient(qwen2_audio_folder: Path) -> Patient:
    return loaded_patient(load(qwen2_audio_folder, device="cpu"))


@pytest.fixture(scope="session")
def trial(patient: Patient) -> TrialSetting:
    return choose_setting(patient)


@pytest.fixture
def change_gains(monkeypatch: pytest.MonkeyPatch) -> ChangeGains:
    """Makes formulas work with other gains than those of the setting."""
    original = Formula.applied

    def change(to: Callable[[Tensor], Tensor]) -> None:
        monkeypatch.setattr(
            Formula, "applied", lambda self, gain, keys: original(self, to(gain), keys)
        )

    return change


@pytest.fixture
def unsteered(change_gains: ChangeGains) -> None:
    """Attached settings change no score."""
    change_gains(torch.zeros_like)
