"""The setting that a model is examined with, and how far apart two correct answers may be."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TypeVar

import torch
from torch import Tensor

from mata_audio.doctor.check import Check, Skipped
from mata_audio.doctor.full_scores import KNOWN
from mata_audio.doctor.passes import on_backend, read, read_full_scores
from mata_audio.doctor.patient import Inputs, Patient
from mata_audio.methods.mata import MATA
from mata_audio.notation.layers import scaled_paper_layers
from mata_audio.steering.formulas import FORMULAS

SINGLE_ROUNDING = 1e-4
"""Allowed difference in float32, as a fraction of the largest logit. A float32 sum of a few
thousand products is off by about 1e-6 of its size, and a decoder of a few dozen layers by about ten
times that. A wrong score or one key too many moves a logit by the setting's effect, which must
exceed this bound to count."""

ALPHAS = (0.5, 2.0, 8.0)

CLEAR = 5
"""An effect this many times the bound is clear enough; a larger alpha would add to the rounding."""

Result = TypeVar("Result")


@dataclass(frozen=True)
class TrialSetting:
    """A setting that moves the logits of a model by more than rounding does.

    Args:
        patient: the model and its prompts.
        layers: steered layers.
        alpha: strength.
        effect: how far the full scores move a logit with this setting: the least over the formulas
            and the prompts with a clip or picture.
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
        """Return the setting as users make it."""
        return MATA(
            alpha=self.alpha,
            layers=self.layers,
            formula=formula,
            tokens=self.patient.tokens,
            on_no_audio="ignore",
        )

    def both(self, act: Callable[[], Result], formula: str = "multiply") -> tuple[Result, Result]:
        """Return what ``act`` returns while the model is steered, and then unmodified."""
        with self.mata(formula)(self.patient.model):
            steered = act()
        return steered, act()

    def full_scores(
        self, inputs: Inputs, formula: str = "multiply", answer: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Return the logits of the full scores, and of the full scores with alpha 0."""
        wanted, plain = (
            read_full_scores(self.patient, inputs, self.layers, alpha, formula, answer)[0]
            for alpha in (self.alpha, 0.0)
        )
        return wanted, plain

    def bound(self, own: float) -> float:
        """Return how far apart two ways to the same steered logits may be.

        ``own`` is how far apart they are in the unmodified model: MATA cannot do better than that.
        ``rounding`` is added to it. In float32 it is :data:`SINGLE_ROUNDING` of the largest logit.
        In 16 bits it is the largest of three: one unit in the last place of that logit, the
        difference between the model's own eager and SDPA attention, and the difference between
        this setting's full scores computed in 32 and in 16 bits.
        """
        return self.rounding + own

    def sensitivity(self, inputs: Inputs, formula: str = "multiply", answer: int = 0) -> float:
        """Return how far rounding moves the logits by the full scores; 0 in float32."""
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
        """Return the check that two ways to the same steered logits agree.

        Args:
            name: the check's name.
            difference: largest difference between the two, while steered.
            own: the same difference in the unmodified model.
            effect: how far the setting moved the logits here.
            advice: what to do if they are too far apart.

        Raises:
            Skipped: rounding hides the setting, so agreement would prove nothing.
        """
        bound = self.bound(own)
        if not self.effect > bound:
            raise Skipped(
                f"the setting moves logits by {self.effect:.1e}, less than this model's own "
                f"differences ({bound:.1e}): agreement would prove nothing"
            )
        figure = f"difference {difference:.1e}, allowed {bound:.1e} (effect {effect:.1e})"
        if not difference <= bound:  # also when it is NaN
            return Check(name, "fail", figure, advice, difference)
        if not effect > bound:
            unchanged = "MATA changed nothing here, but the full scores did: please report this"
            return Check(name, "fail", figure, unchanged, difference)
        return Check(name, "pass", figure, difference=difference)


def choose_setting(patient: Patient) -> TrialSetting:
    """Return the first setting with a clear effect; if none has one, the clearest.

    The strengths are tried on MATA's default layers, then on all layers.
    """
    inputs = patient.batch("right")
    middle, every = layers_to_try(patient)
    candidates = [(middle, alpha) for alpha in ALPHAS] + [(every, alpha) for alpha in ALPHAS]
    baseline = read(patient, inputs)
    real = inputs["attention_mask"].bool()
    plain, _ = read_full_scores(patient, inputs, every, 0.0, "add")
    own = largest(plain[real] - baseline[real])
    trials = []
    for layers, alpha in candidates:
        trials.append(_measured(patient, inputs, baseline, layers, alpha))
        if trials[-1].effect > CLEAR * trials[-1].bound(own):
            return trials[-1]
    return max(trials, key=lambda trial: trial.effect / trial.bound(own))


def layers_to_try(patient: Patient) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return MATA's default layers, and all layers with attention."""
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
    """Return the largest absolute entry; infinity if any is NaN."""
    return float(difference.abs().nan_to_num(nan=torch.inf).max())


def _measured(
    patient: Patient, inputs: Inputs, baseline: Tensor, layers: tuple[int, ...], alpha: float
) -> TrialSetting:
    """Return a setting with its effect and rounding, for the formulas that the doctor knows.

    For any other formula, the checks named after it fail.
    """
    known = [formula for formula in FORMULAS if formula in KNOWN]
    effects, rounding = [], _rounding(patient, inputs, baseline)
    for formula in known:
        steered, _ = read_full_scores(patient, inputs, layers, alpha, formula)
        moved = (at_last(steered, inputs) - at_last(baseline, inputs)).abs().amax(1)
        effects.append(float(moved[patient.with_clips].min()))
    trial = TrialSetting(patient, layers, alpha, min(effects), rounding)
    most = max(trial.sensitivity(inputs, formula) for formula in known)
    return replace(trial, rounding=max(rounding, most))


def _rounding(patient: Patient, inputs: Inputs, baseline: Tensor) -> float:
    """Return how far rounding moves the unmodified model's logits."""
    real = inputs["attention_mask"].bool()
    scale = largest(baseline[real])
    if patient.dtype.itemsize >= 4:
        return SINGLE_ROUNDING * scale
    logits = []
    for name in ("eager", "sdpa"):
        with on_backend(patient, name):
            logits.append(read(patient, inputs)[real])
    return max(largest(logits[0] - logits[1]), scale * torch.finfo(patient.dtype).eps)
