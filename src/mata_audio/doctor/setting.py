"""The setting that a model is examined with, and how far apart two right answers may be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import torch
from torch import Tensor

from mata_audio.doctor.check import Check, Outcome, Skipped
from mata_audio.doctor.passes import on_backend, read, read_full_scores
from mata_audio.doctor.patient import Inputs, Patient
from mata_audio.notation.layers import scaled_paper_layers
from mata_audio.settings.mata import MATA

FORMULAS = ("multiply", "absolute", "add")

SINGLE_ROUNDING = 1e-4
"""Of the largest logit, in float32. A float32 sum of a few thousand products is off by about 1e-6
of its size, and a decoder of some dozen layers by some ten times that; a wrong score or a key too
many moves a logit by the effect of the setting, which must be above this bound to count."""

ALPHAS = (0.5, 2.0, 8.0)

SHOWS = 5
"""An effect that many times the bound is clear enough; a larger alpha would add to the rounding."""


@dataclass(frozen=True)
class TrialSetting:
    """A setting that moves the logits of a model by more than rounding does.

    Args:
        patient: the model.
        layers: steered layers.
        alpha: strength.
        effect: how far the setting moves a logit by the full scores: least over the prompts with
            a clip or picture and the formulas.
        rounding: see :meth:`bound`.
    """

    patient: Patient
    layers: tuple[int, ...]
    alpha: float
    effect: float
    rounding: float

    @property
    def half(self) -> bool:
        """Whether the model computes in 16 bits."""
        return self.patient.dtype.itemsize < 4

    def mata(self, formula: str = "multiply") -> MATA:
        """Return the setting."""
        return MATA(
            alpha=self.alpha,
            layers=self.layers,
            formula=formula,
            tokens=self.patient.tokens,
            on_no_audio="ignore",
        )

    def bound(self, own: float) -> float:
        """Return how far two ways to the same steered logits may be apart.

        ``own`` is how far apart they are in the model as it is: MATA cannot be expected to be
        nearer. To it comes ``rounding``: in float32 :data:`SINGLE_ROUNDING` of the largest logit;
        in 16 bits the largest of one unit of that logit, the distance of the model's own eager and
        SDPA attention, and the distance of the full scores computed in 32 and in 16 bits, with
        this setting.
        """
        return self.rounding + own

    def sensitivity(self, inputs: Inputs, formula: str = "multiply", answer: int = 0) -> float:
        """Return how far rounding alone moves the full scores of ``inputs``; 0 in float32."""
        if not self.half:
            return 0.0
        wide, narrow = (
            read_full_scores(
                self.patient, inputs, self.layers, self.alpha, formula, answer, narrow=narrow
            )[0]
            for narrow in (False, True)
        )
        return largest((wide - narrow)[inputs["attention_mask"].bool()])

    def judge(self, name: str, difference: float, own: float, effect: float, advice: str) -> Check:
        """Return the check of two ways to the same steered logits.

        Args:
            name: of the check.
            difference: largest between the two, while steered.
            own: the same in the model as it is.
            effect: how far the setting moved the logits here.
            advice: what to do where they are too far apart.

        Raises:
            Skipped: rounding hides the setting, so agreement would prove nothing.
        """
        bound = self.bound(own)
        if not self.effect > bound:
            raise Skipped(
                f"the setting moves logits by {self.effect:.1e}, less than this model's own "
                f"differences ({bound:.1e}): agreement would show nothing"
            )
        figure = f"difference {difference:.1e}, at most {bound:.1e} (effect {effect:.1e})"
        outcome: Outcome = "pass"
        if not difference <= bound:
            outcome = "fail"
        elif not effect > bound:
            outcome, advice = "fail", "MATA changed nothing here, where the full scores do: report"
        return Check(name, outcome, figure, advice if outcome == "fail" else "", difference)


def choose_setting(patient: Patient) -> TrialSetting:
    """Return the first setting with an effect that shows, or that with the clearest.

    The strengths are tried on the layers that MATA takes by itself, then on all.
    """
    inputs = patient.batch("right")
    middle, every = chosen_layers(patient)
    candidates = [(middle, alpha) for alpha in ALPHAS] + [(every, alpha) for alpha in ALPHAS]
    baseline = read(patient, inputs)
    real = inputs["attention_mask"].bool()
    plain, _ = read_full_scores(patient, inputs, every, 0.0, "add")
    own = largest(plain[real] - baseline[real])
    trials = []
    for layers, alpha in candidates:
        trials.append(_exam(patient, inputs, baseline, layers, alpha))
        if trials[-1].effect > SHOWS * trials[-1].bound(own):
            return trials[-1]
    return max(trials, key=lambda trial: trial.effect / trial.bound(own))


def chosen_layers(patient: Patient) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return the layers that MATA takes by itself, and all that attend."""
    located = patient.located
    attending = located.attending
    middle = tuple(i for i in scaled_paper_layers(located.depth) if i in attending)
    return middle or attending, attending


def last_rows(inputs: Inputs) -> Tensor:
    """Return the slot of each sample's last token, shape (batch,)."""
    mask = inputs["attention_mask"].bool()
    slots: Tensor = torch.arange(mask.shape[1], device=mask.device).expand_as(mask)
    return slots.masked_fill(~mask, -1).amax(1)


def at_last(logits: Tensor, inputs: Inputs) -> Tensor:
    """Return the logits of each sample's last token, shape (batch, vocabulary)."""
    rows = last_rows(inputs).to(logits.device)
    return logits[torch.arange(len(rows), device=logits.device), rows]


def largest(difference: Tensor) -> float:
    """Return the largest absolute entry; infinite where one is no number."""
    return float(difference.abs().nan_to_num(nan=torch.inf).max())


def _exam(
    patient: Patient, inputs: Inputs, baseline: Tensor, layers: tuple[int, ...], alpha: float
) -> TrialSetting:
    """Measure the effect and the rounding of one setting."""
    effects, rounding = [], _rounding(patient, inputs, baseline)
    for formula in FORMULAS:
        steered, _ = read_full_scores(patient, inputs, layers, alpha, formula)
        moved = (at_last(steered, inputs) - at_last(baseline, inputs)).abs().amax(1)
        effects.append(float(moved[patient.with_clips].min()))
    trial = TrialSetting(patient, layers, alpha, min(effects), rounding)
    most = max(trial.sensitivity(inputs, formula) for formula in FORMULAS)
    return replace(trial, rounding=max(rounding, most))


def _rounding(patient: Patient, inputs: Inputs, baseline: Tensor) -> float:
    real = inputs["attention_mask"].bool()
    scale = largest(baseline[real])
    if patient.dtype.itemsize >= 4:
        return SINGLE_ROUNDING * scale
    logits = []
    for name in ("eager", "sdpa"):
        with on_backend(patient, name):
            logits.append(read(patient, inputs)[real])
    return max(largest(logits[0] - logits[1]), scale * torch.finfo(patient.dtype).eps)
