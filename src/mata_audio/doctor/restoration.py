"""Whether leaving the ``with`` block restores the model, whatever happened inside."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import Tensor, nn
from transformers import StoppingCriteria

from mata_audio.doctor.check import Check
from mata_audio.doctor.equality import REPORT
from mata_audio.doctor.passes import read, write
from mata_audio.doctor.patient import Patient
from mata_audio.doctor.trial_setting import TrialSetting, largest


class _Interrupted(Exception):
    """Raised on purpose, while the model is steered."""


class _Interrupt(StoppingCriteria):
    """Raises after the second new token."""

    def __init__(self, prompt: int) -> None:
        self._prompt = prompt

    def __call__(self, input_ids: Tensor, scores: Any, **_: Any) -> Tensor:
        if input_ids.shape[1] >= self._prompt + 2:
            raise _Interrupted
        return torch.zeros(input_ids.shape[0], dtype=torch.bool, device=input_ids.device)


def after_an_exception(trial: TrialSetting) -> Check:
    """Exceptions before, inside and between forward passes leave no trace in the model."""
    patient, inputs = trial.patient, trial.patient.alone()
    baseline, again = (read(patient, inputs) for _ in range(2))
    with trial.mata()(patient.model):
        effect = largest(read(patient, inputs) - baseline)
    own = largest(again - baseline)
    moments: dict[str, Callable[[], object]] = {
        "in the block": _raise,
        "in a layer": lambda: _read_until_a_layer(trial),
        "in generate": lambda: _write_until_interrupted(patient),
    }
    left: list[str] = []
    for moment, act in moments.items():
        before = traces(patient.model)
        try:
            with trial.mata()(patient.model):
                act()
        except _Interrupted:
            pass
        else:
            left.append(f"{moment}: the exception was swallowed")
        changed = [place for place, what in traces(patient.model).items() if before[place] != what]
        if changed:
            left.append(f"{moment}: {changed[0] or 'the model'} was not restored")
        difference = largest(read(patient, inputs) - baseline)
        if difference > own:
            left.append(f"{moment}: logits differ by {difference:.1e} afterwards")
    name = "restored after an exception"
    if not effect > trial.effect / 2:  # the full scores move logits by at least that
        return Check(name, "fail", "the setting changed nothing, so there was nothing to undo")
    if left:
        return Check(
            name, "fail", "; ".join(left), f"load the model again after an error; {REPORT}"
        )
    return Check(name, "pass", f"{len(moments)} exceptions: no trace left, logits as before")


def cached_keys(trial: TrialSetting) -> Check:
    """The cache holds the model's own keys after ``generate``, finished or interrupted.

    MATA changes nothing before the last prompt token, so those keys must equal the baseline's.
    """
    patient, inputs = trial.patient, trial.patient.alone()
    prompt = inputs["input_ids"].shape[1] - 1
    wanted, again = (_keys(write(patient, inputs).past_key_values, prompt) for _ in range(2))
    with trial.mata()(patient.model):
        returned = _keys(write(patient, inputs).past_key_values, prompt)
        with _caches(patient) as caches, suppress(_Interrupted):
            _write_until_interrupted(patient)
        interrupted = _keys(caches[-1], prompt)
    own = _furthest(again, wanted)
    after, left = _furthest(returned, wanted), _furthest(interrupted, wanted)
    good = max(after, left) <= own and bool(wanted)
    figure = f"{len(wanted)} layers differ by {after:.1e} after generate, {left:.1e} if it fails"
    advice = f"do not reuse a cache from steered generation; {REPORT}"
    return Check("cached keys put back", "pass" if good else "fail", figure, "" if good else advice)


def traces(model: nn.Module) -> dict[str, Any]:
    """Return what an attachment could leave behind, by module: weights, config, hooks, names."""
    found: dict[str, Any] = {}
    for name, module in model.named_modules():
        config = vars(module).get("config")
        own = [*module.parameters(recurse=False), *module.buffers(recurse=False)]
        found[name] = (
            [(id(value), value._version) for value in own],
            (id(config), getattr(config, "_attn_implementation", None)),
            [len(hooks) for hooks in (module._forward_hooks, module._forward_pre_hooks)],
            sorted(vars(module)),
            id(vars(module).get("generate")),
        )
    return found


def _raise() -> None:
    raise _Interrupted


def _read_until_a_layer(trial: TrialSetting) -> None:
    module = trial.patient.located.attention(trial.layers[-1])
    hook = module.register_forward_pre_hook(lambda *_: _raise())
    try:
        read(trial.patient, trial.patient.alone())
    finally:
        hook.remove()


def _write_until_interrupted(patient: Patient) -> None:
    inputs = patient.alone()
    write(patient, inputs, stopping_criteria=[_Interrupt(inputs["input_ids"].shape[1])])


@contextmanager
def _caches(patient: Patient) -> Iterator[list[Any]]:
    """Collect the caches that forward passes return."""
    seen: list[Any] = []
    hook = patient.listener.register_forward_hook(
        lambda module, args, output: seen.append(output.past_key_values)
    )
    try:
        yield seen
    finally:
        hook.remove()


def _keys(cache: Any, prompt: int) -> dict[int, Tensor]:
    """Return each layer's keys of the first ``prompt`` slots, if it holds all of them."""
    found = {}
    for i, layer in enumerate(cache.layers):
        keys = getattr(layer, "keys", None)
        whole = getattr(layer, "is_sliding", False) is not True
        if isinstance(keys, Tensor) and keys.dim() == 4 and whole and keys.shape[2] > prompt:
            found[i] = keys[:, :, :prompt].clone()
    return found


def _furthest(keys: dict[int, Tensor], wanted: dict[int, Tensor]) -> float:
    """Return the largest difference from the keys ``wanted``, over their layers."""
    return max((largest(keys[i].float() - wanted[i].float()) for i in wanted), default=0.0)
