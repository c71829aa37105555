"""What MATA costs on this model and machine: time ratios, from interleaved rounds."""

from __future__ import annotations

import statistics
import time
from contextlib import nullcontext
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteria

from mata_audio.doctor.check import Check
from mata_audio.doctor.passes import write
from mata_audio.doctor.patient import Patient
from mata_audio.doctor.trial_setting import TrialSetting
from mata_audio.methods.mata import MATA

ROUNDS, TOKENS = 5, 9


class Clock(StoppingCriteria):
    """Records the time of each new token; never stops."""

    def __init__(self, device: torch.device) -> None:
        self._device = device
        self.times = [self.now()]

    def now(self) -> float:
        """Return the time in seconds, once the device has finished its work."""
        if self._device.type == "cuda":
            torch.cuda.synchronize(self._device)
        return time.perf_counter()

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        self.times.append(self.now())
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)

    def prefill_and_decode(self) -> tuple[float, float]:
        """Return the seconds until the first new token, and the median of the later ones'."""
        steps = [after - before for before, after in pairwise(self.times)]
        return steps[0], statistics.median(steps[1:])


def overhead(trial: TrialSetting) -> Check:
    """Prefill and decoding with MATA at the paper's alpha, as ratios to the unmodified model."""
    patient = trial.patient
    mata = MATA(layers=trial.layers, tokens=patient.tokens)
    prefill, decode = [], []
    for round_ in range(ROUNDS + 1):
        seconds = {}
        for steered in (True, False) if round_ % 2 else (False, True):
            with mata(patient.model) if steered else nullcontext():
                seconds[steered] = _seconds(patient)
        if round_:  # the first round warms up
            prefill.append(seconds[True][0] / seconds[False][0])
            decode.append(seconds[True][1] / seconds[False][1])
    figure = (
        f"prefill {statistics.median(prefill):.2f}x, a decoded token "
        f"{statistics.median(decode):.2f}x (medians of {ROUNDS} rounds; short prompt)"
    )
    return Check("overhead", "info", figure)


def _seconds(patient: Patient) -> tuple[float, float]:
    """Return the seconds of prefill and of one decoded token."""
    clock = Clock(patient.device)
    write(patient, patient.alone(), new_tokens=TOKENS, stopping_criteria=[clock])
    return clock.prefill_and_decode()
