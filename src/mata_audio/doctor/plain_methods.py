"""Every method written out plainly: its setting for the doctor, and the logits it must give.

An entry combines the logits of plain passes: of the unmodified model, of the full scores, and of a
second prompt. It is written from the method's definition and calls nothing of ``methods``.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any

import torch
from torch import Tensor

from mata_audio.doctor.check import Skipped
from mata_audio.doctor.full_scores import Alpha, FullScores
from mata_audio.doctor.passes import read
from mata_audio.doctor.patient import Inputs
from mata_audio.doctor.trial_setting import TrialSetting
from mata_audio.methods import METHODS, Method
from mata_audio.methods.one_change import OneChange


@dataclass(frozen=True)
class Plain:
    """Plain passes over one prompt without padding and its answer.

    Args:
        trial: the model, and the layers and strength to use.
        inputs: the prompt with its answer.
        other: a second prompt with the same answer.
        answer: number of tokens of the answer.
        narrow: round where eager attention does.
    """

    trial: TrialSetting
    inputs: Inputs
    other: Inputs
    answer: int
    narrow: bool = False

    @property
    def last_rows(self) -> list[int]:
        """The slots of the last prompt token and of the answer's tokens."""
        length = self.inputs["input_ids"].shape[1]
        return list(range(length - self.answer - 1, length))

    def unmodified(self) -> Tensor:
        """Return the model's own logits, shape (rows, vocabulary); so for the rest."""
        return self._last(self.scored("add", 0.0) if self.narrow else self._read(self.inputs))

    def second(self) -> Tensor:
        """Return the logits of the second prompt."""
        return self._last(self._read(self.other))

    def unheard(self) -> Tensor:
        """Return the logits with the audio out of reach of the last rows, in every layer."""
        layers = self.trial.patient.located.attending
        return self._last(self.scored("mass", -1.0, layers))

    def steered(self, formula: str, alpha: Alpha, named: Tensor | None = None) -> Tensor:
        """Return the logits with scores changed in the trial's layers."""
        return self._last(self.scored(formula, alpha, named=named))

    def among(self, kind: str) -> Tensor:
        """Return where the audio is, or what lies before or after it, shape (1, length)."""
        located = self.trial.patient.located
        ids = self.inputs["input_ids"]
        named = torch.isin(ids, ids.new_tensor(located.ids_of(self.trial.patient.tokens)))
        if kind == "before":
            return named.cumsum(1) == 0
        if kind == "after":
            after = named.flip(1).cumsum(1).flip(1) == 0
            after[:, self.last_rows[0]] = True  # the prompt's last row, also if it is audio
            return after
        if kind == "first":
            return torch.arange(ids.shape[1], device=ids.device)[None] == 0
        return named

    def share(self, layers: int) -> Tensor:
        """Return each row's attention on audio: mean over heads and the last layers."""
        scores = self._scores("add", 0.0)
        attending = self.trial.patient.located.attending
        with scores.instead(self.trial.patient.located, attending):
            self._read(self.inputs)
        of_rows = [share[0, -(self.answer + 1) :] for share in scores.shares[-layers:]]
        return torch.stack(of_rows).mean(0).float()

    def scored(
        self,
        formula: str,
        alpha: Alpha,
        layers: tuple[int, ...] | None = None,
        named: Tensor | None = None,
        active: Tensor | None = None,
    ) -> Tensor:
        """Return all logits by the full scores, shape (1, length, vocabulary)."""
        located = self.trial.patient.located
        scores = self._scores(formula, alpha)
        scores.named = scores.named if named is None else named
        scores.active = scores.active if active is None else active
        with scores.instead(located, self.trial.layers if layers is None else layers):
            return self._read(self.inputs)

    def _scores(self, formula: str, alpha: Alpha) -> FullScores:
        patient = self.trial.patient
        located = patient.located
        mutual = [located.token_ids[name] for name in located.family.mutual]
        audio = located.ids_of(patient.tokens)
        ids, mask = self.inputs["input_ids"], self.inputs["attention_mask"]
        scores = FullScores.of_prompts(ids, mask, audio, alpha, formula, self.answer, mutual)
        scores.narrow = self.narrow
        return scores

    def _read(self, inputs: Inputs) -> Tensor:
        return read(self.trial.patient, inputs)

    def _last(self, logits: Tensor) -> Tensor:
        return logits[0, -(self.answer + 1) :]


@dataclass(frozen=True)
class Entry:
    """How the doctor examines a method.

    Args:
        fields: a setting that has an effect, from the trial and plain passes over the prompt.
        neutral: fields of a setting that changes nothing.
        logits: what that setting must give in the last rows, shape (rows, vocabulary).
        other: name of the second prompt, if it reads one.
        jumps: a change of rounding may move its logits far, as where two tokens change places.
    """

    fields: Callable[[TrialSetting, Plain], dict[str, Any]]
    neutral: dict[str, Any]
    logits: Callable[[Any, Plain], Tensor]
    other: str | None = None
    jumps: bool = False


def settings_of(name: str, trial: TrialSetting, plain: Plain) -> tuple[Method, Method]:
    """Return the setting that a method is examined with, and a neutral one.

    Raises:
        UnknownMethodError: the method is not in :data:`ENTRIES`.
        Skipped: the method is for audio, and the model takes none; or rounding decides.
    """
    if name not in ENTRIES:
        raise UnknownMethodError(name)
    cls, tokens = METHODS[name], trial.patient.tokens
    common: dict[str, Any] = {"on_no_audio": "ignore"}
    if any(own.name == "tokens" for own in fields(cls)):
        common["tokens"] = tokens
    elif tokens != "audio":
        raise Skipped(f"{name} is for audio, which this model does not take")
    entry = ENTRIES[name]
    if entry.jumps and trial.half:
        raise Skipped(f"{name} chooses tokens, and in 16 bits rounding decides between some")
    return cls(**common, **entry.fields(trial, plain)), cls(**common, **entry.neutral)


def to_examine() -> list[str]:
    """Return the methods that need an entry: all but those of one change, by a known formula."""
    return [name for name, cls in METHODS.items() if not issubclass(cls, OneChange)]


class UnknownMethodError(ValueError):
    """Raised for a method that is not in :data:`ENTRIES`."""

    advice = (
        "write an entry for it into ENTRIES of src/mata_audio/doctor/plain_methods.py, from its "
        "definition and without calling the method"
    )

    def __init__(self, name: str) -> None:
        super().__init__(f"the doctor does not know what the method {name!r} must give")


def _sure(logits: Tensor) -> Tensor:
    """Return each row's greatest probability, shape (rows, 1)."""
    return logits.double().softmax(-1).amax(-1, keepdim=True)


def _contrast(method: Any, plain: Plain) -> Tensor:
    heard, unheard = plain.unmodified(), plain.unheard()
    return heard + method.alpha * _sure(unheard) ** method.power * (heard - unheard)


def _aad(method: Any, plain: Plain) -> Tensor:
    return (1 + method.alpha) * plain.unmodified() - method.alpha * plain.unheard()


def _pai(method: Any, plain: Plain) -> Tensor:
    louder = plain.steered("absolute", method.alpha).log_softmax(-1)
    unheard = plain.unheard().log_softmax(-1)
    return method.gamma * (louder - unheard) + unheard


def _vcd(method: Any, plain: Plain) -> Tensor:
    return (1 + method.alpha) * plain.unmodified() - method.alpha * plain.second()


def _gacl(method: Any, plain: Plain) -> Tensor:
    joint, other = (own.log_softmax(-1) for own in (plain.unmodified(), plain.second()))
    (one, two), choice = other.topk(2).values.T, other.argmax(-1)
    trusted = ((one - two) / method.tau).clamp(0, 1)
    weight = (method.strength * trusted * (joint.argmax(-1) != choice)).clamp(max=1)
    return joint + weight[:, None] * (other - joint)


def _tcd(method: Any, plain: Plain) -> Tensor:
    clear, blurred = plain.unmodified(), plain.second()
    likeliest = clear.topk(5).values.double().softmax(-1)
    entropy = -(likeliest * likeliest.log()).sum(-1) / math.log(5)
    gate = (method.gamma * plain.share(layers=4) * entropy**method.power).clamp(max=1)
    least = [own.topk(count).values[:, -1:] for own, count in ((clear, 16), (blurred, 8))]
    among = (clear >= least[0]) | (blurred >= least[1])
    return clear + method.strength * gate[:, None] * (clear - blurred).clamp(min=0) * among


def _adaptvis(method: Any, plain: Plain) -> Tensor:
    first, length = plain.last_rows[0], plain.inputs["input_ids"].shape[1]
    sure = round(float(_sure(plain.unmodified())[0]), 2)
    alpha = torch.zeros(1, 1, length, 1, device=plain.inputs["input_ids"].device)
    alpha[:, :, first] = (method.w1 if sure < method.threshold else method.w2) - 1
    return plain.steered("multiply", alpha)


def _caac(method: Any, plain: Plain) -> Tensor:
    rows, length = plain.last_rows, plain.inputs["input_ids"].shape[1]
    alpha = torch.zeros(1, 1, length, 1, device=plain.inputs["input_ids"].device)
    for place, row in enumerate(rows):  # each after the rows before it, which are changed by then
        sure = float(_sure(plain.steered("multiply", alpha))[place])
        factor = sure + (1 - sure) * method.most if sure <= method.threshold else 1.0
        alpha[:, :, row] = max(1.0, factor) - 1
    return plain.steered("multiply", alpha)


def _vaf(method: Any, plain: Plain) -> Tensor:
    audio, before = plain.among("audio"), plain.among("before")
    alpha = (method.enhance - 1) * audio.float() + (method.suppress - 1) * before.float()
    logits = plain.scored(
        "multiply",
        alpha[:, None, None],
        named=audio | before,
        active=plain.among("after"),
    )
    return logits[0, -(plain.answer + 1) :]


def _changes(method: Any, plain: Plain) -> Tensor:
    audio, first = (change.alpha for change in method.changes)
    keys, sink = plain.among("audio"), plain.among("first")
    alpha = audio * keys.float() + first * sink.float()
    heard = plain.steered("multiply", alpha[:, None, None], keys | sink)
    unheard = plain.unheard()
    return heard + method.contrast * (heard - unheard)


ENTRIES: dict[str, Entry] = {
    "contrast": Entry(
        lambda trial, plain: {
            "alpha": 0.5 / float(_sure(plain.unheard())[0]),
            "power": 1,
            "cut": 0,
        },
        {"alpha": 0},
        _contrast,
    ),
    "aad": Entry(lambda trial, plain: {"alpha": 0.5}, {"alpha": 0}, _aad),
    "pai": Entry(
        lambda trial, plain: {
            "alpha": trial.alpha,
            "gamma": 1.5,
            "cut": 0,
            "layers": trial.layers,
        },
        {"alpha": 0, "gamma": 1},
        _pai,
    ),
    "vcd": Entry(lambda trial, plain: {"alpha": 0.5, "cut": 0}, {"alpha": 0}, _vcd, other="noise"),
    "gacl": Entry(
        lambda trial, plain: {"strength": 0.5, "tau": 1e-3},
        {"strength": 0},
        _gacl,
        other="reference",
        jumps=True,
    ),
    "tcd": Entry(
        lambda trial, plain: {"strength": 1, "gamma": 1},
        {"strength": 0},
        _tcd,
        other="blur",
        jumps=True,
    ),
    "adaptvis": Entry(
        lambda trial, plain: {
            "w1": 1 + trial.alpha,
            "w2": 1 / (1 + trial.alpha),
            "threshold": 1,
            "layers": trial.layers,
        },
        {"w1": 1, "w2": 1},
        _adaptvis,
    ),
    "caac": Entry(
        lambda trial, plain: {"most": 1 + trial.alpha, "threshold": 1, "layers": trial.layers},
        {"most": 1},
        _caac,
    ),
    "vaf": Entry(
        lambda trial, plain: {
            "enhance": 1 + trial.alpha,
            "suppress": 0.5,
            "layers": trial.layers,
        },
        {"enhance": 1, "suppress": 1},
        _vaf,
    ),
    "changes": Entry(
        lambda trial, plain: {
            "changes": [
                {
                    "formula": "multiply",
                    "alpha": alpha,
                    "keys": keys,
                    "layers": trial.layers,
                }
                for keys, alpha in ((trial.patient.tokens, trial.alpha), ("first", -0.5))
            ],
            "contrast": 0.5,
        },
        {"changes": []},
        _changes,
    ),
}
"""By name: every method but those of one change, which the checks of formulas examine."""
