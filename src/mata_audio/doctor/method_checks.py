"""Whether every method gives the logits of its definition, and leaves no trace."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from mata_audio.doctor.check import Check, Skipped
from mata_audio.doctor.equality import REPORT
from mata_audio.doctor.passes import continued, read, write, written_logits
from mata_audio.doctor.patient import Inputs
from mata_audio.doctor.plain_methods import ENTRIES, Plain, settings_of
from mata_audio.doctor.restoration import traces
from mata_audio.doctor.trial_setting import TrialSetting, largest
from mata_audio.errors import CacheError, SettingsError
from mata_audio.methods import Method

NEW = 3
"""Tokens of an answer: the second and third come from passes over one token."""

SLACK = 4
"""How much a method may enlarge the rounding of the logits that it combines: 1 + 2 alpha, at the
strengths of the entries, and as much again for the weight that it takes from them."""


def examined(trial: TrialSetting, name: str) -> Check:
    """A method's logits equal a plain re-computation, in one pass and in each step of an answer.

    Its neutral setting must change nothing at all, and the model must be as before afterwards.
    """
    patient = trial.patient
    inputs, other = patient.alone(), _other(trial)
    method, neutral = settings_of(name, trial, Plain(trial, inputs, other, answer=0))
    before = traces(patient.model)
    baseline, again = (written_logits(write(patient, inputs, NEW)) for _ in range(2))
    own = largest(again - baseline)  # 0 on a deterministic device
    try:
        first, output = _steered(trial, method, inputs, other)
    except (CacheError, SettingsError) as error:  # such as a prompt that ends with audio
        raise Skipped(f"refused for this model and prompt: {error}") from error
    with neutral(patient.model):
        idle = largest(written_logits(write(patient, inputs, NEW)) - baseline)
    after = largest(written_logits(write(patient, inputs, NEW)) - baseline)
    left = [place for place, what in traces(patient.model).items() if before[place] != what]

    plain = _after(trial, inputs, other, output.sequences[:, inputs["input_ids"].shape[1] :])
    wanted, rounding = _wanted(trial, name, method, plain)
    steps = written_logits(output)[0]
    difference = max(largest(steps - wanted[:-1]), largest(first - wanted[0]))
    effect = largest((wanted - plain.unmodified())[:-1])
    bound = SLACK * trial.bound(rounding)
    faults = []
    if not difference <= bound:  # also when it is NaN
        faults.append("it does not give the logits of its definition")
    if idle > own:
        faults.append("its neutral setting changes logits")
    if left or after > own:
        faults.append(f"{(left[0] if left else '') or 'the model'} was not restored")
    title = f"method {name}"
    figure = (
        f"difference {difference:.1e}, allowed {bound:.1e} (effect {effect:.1e}); neutral {idle:g}"
    )
    if faults:
        return Check(title, "fail", figure, f"{'; '.join(faults)}: {REPORT}", difference)
    if not effect > bound:
        raise Skipped(f"it moves logits by {effect:.1e} here: agreement would prove nothing")
    return Check(title, "pass", figure, difference=difference)


def _steered(
    trial: TrialSetting, method: Method, inputs: Inputs, other: Inputs
) -> tuple[Tensor, Any]:
    """Return the first token's logits in one pass, and the output of an answer."""
    patient = trial.patient
    entry = ENTRIES[method.name]
    others = {} if entry.other is None else {entry.other: other}
    with method(patient.model, others=others):
        first = read(patient, inputs)[0, -1]
    with method(patient.model, others=others):
        return first, write(patient, inputs, NEW)


def _wanted(trial: TrialSetting, name: str, method: Method, plain: Plain) -> tuple[Tensor, float]:
    """Return the logits of the definition, and how far rounding moves them in 16 bits."""
    wide = ENTRIES[name].logits(method, plain)
    if not trial.half:
        return wide, 0.0
    return wide, largest(wide - ENTRIES[name].logits(method, replace(plain, narrow=True)))


def _after(trial: TrialSetting, inputs: Inputs, other: Inputs, answer: Tensor) -> Plain:
    """Return plain passes over the prompt and the second prompt, each with the answer."""
    longer, second = (continued(trial.patient, own, answer) for own in (inputs, other))
    return Plain(trial, longer, second, answer=answer.shape[1])


def _other(trial: TrialSetting) -> Inputs:
    """Return a second prompt: one about two clips, or else the first with noise on its clip."""
    if len(trial.patient.with_clips) > 1:
        return trial.patient.alone(trial.patient.with_clips[1])
    inputs, generator = trial.patient.alone(), torch.Generator().manual_seed(0)
    return {name: _noisy(value, generator) for name, value in inputs.items()}


def _noisy(value: Any, generator: torch.Generator) -> Any:
    if not (isinstance(value, Tensor) and value.is_floating_point()):
        return value
    noise = torch.randn(value.shape, generator=generator)
    return value + noise.to(value) * value.float().std().to(value)
