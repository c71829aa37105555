"""A small model as the doctor sees it."""

from __future__ import annotations

from pathlib import Path

import pytest

from mata_audio.doctor.patient import Patient, loaded_patient
from mata_audio.doctor.trial_setting import TrialSetting, choose_setting
from mata_audio.models.loading import load


@pytest.fixture(scope="session")
def patient(qwen2_audio_folder: Path) -> Patient:
    return loaded_patient(load(qwen2_audio_folder, device="cpu"))


@pytest.fixture(scope="session")
def trial(patient: Patient) -> TrialSetting:
    return choose_setting(patient)
