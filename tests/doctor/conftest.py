"""A small model as the doctor sees it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor

from mata_audio.doctor.patient import Patient, loaded_patient
from mata_audio.doctor.trial_setting import TrialSetting, choose_setting
from mata_audio.models.loading import load
from mata_audio.steering import layer as steered_layer
from mata_audio.steering.attention import RowChange
from mata_audio.steering.scaled_keys import ScaledKeys

ChangeGains = Callable[[Callable[[Tensor], Tensor]], None]


@pytest.fixture(scope="session")
def patient(qwen2_audio_folder: Path) -> Patient:
    return loaded_patient(load(qwen2_audio_folder, device="cpu"))


@pytest.fixture(scope="session")
def trial(patient: Patient) -> TrialSetting:
    return choose_setting(patient)


@pytest.fixture
def change_gains(monkeypatch: pytest.MonkeyPatch) -> ChangeGains:
    """Makes rewritten rows use other gains than those of the setting."""
    original = steered_layer.attend_rows

    def change(to: Callable[[Tensor], Tensor]) -> None:
        def attend_rows(*args: Any, changes: Sequence[RowChange], **kwargs: Any) -> Any:
            other = [change._replace(gain=to(change.gain)) for change in changes]
            return original(*args, changes=other, **kwargs)

        monkeypatch.setattr(steered_layer, "attend_rows", attend_rows)

    return change


@pytest.fixture
def unsteered(change_gains: ChangeGains, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attached settings change no score."""
    change_gains(torch.zeros_like)
    monkeypatch.setattr(ScaledKeys, "scale", lambda *args: None)
