"""MATA written out in full: the whole score matrix, changed, capped, masked, softmax.

The doctor compares MATA with this reference, which shares no code with it: the formulas, which rows
are active, which keys are changed and what a row may see are all worked out again here, from ids
and mask. It works on any family, because a layer finds this function by the name in its config, as
it finds SDPA or eager attention. Passes run without a cache, so every key is present.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor
from transformers import AttentionInterface

from mata_audio.families import Located

_NAME = "mata_doctor_full_scores"
_STATE = "_mata_doctor_state"

Alpha = float | Tensor
"""A strength, or one for each key or row, of shape (batch, 1, rows or 1, keys or 1)."""

CHANGES: dict[str, Callable[[Tensor, Alpha], Tensor]] = {
    "multiply": lambda raw, alpha: raw + alpha * raw,
    "absolute": lambda raw, alpha: raw + alpha * raw.abs(),
    "add": lambda raw, alpha: raw + alpha,
}
"""The formulas as the papers state them, by name: from (raw scores, alpha) to changed scores. They
check :mod:`mata_audio.steering.formulas`, so they do not call it."""

OUTPUT_CHANGES: dict[str, Callable[[Tensor, Tensor, Tensor, Alpha], Tensor]] = {
    "mass": lambda out, without, heard, alpha: out + alpha * (out - without),
    "clipped_mass": lambda out, without, heard, alpha: (
        out + _at_most(alpha, heard) * (out - without)
    ),
    "value": lambda out, without, heard, alpha: out + alpha * (out - (1 - heard) * without),
}
"""Formulas of the output, by name: from (output, output without the changed keys, attention mass on
these keys, alpha) to the changed output."""

KNOWN = frozenset((*CHANGES, *OUTPUT_CHANGES))
"""Formulas that the doctor can check."""


def _at_most(alpha: Alpha, heard: Tensor) -> Tensor:
    """Return alpha, or what takes the mass ``heard`` to 1 if that is less, to 0 if more."""
    return ((1 - heard) / heard).clamp(max=alpha).clamp(min=-1)


class UnknownFormulaError(ValueError):
    """Raised for a formula that is not in :data:`KNOWN`."""

    advice = (
        "write the formula into CHANGES of src/mata_audio/doctor/full_scores.py (or into "
        "OUTPUT_CHANGES), from its definition and without calling steering/formulas.py"
    )

    def __init__(self, formula: str) -> None:
        super().__init__(f"the doctor's full scores do not know the formula {formula!r}")


@dataclass
class FullScores:
    """What is changed, and how many of the changed scores were below zero.

    ``shares`` has, for each layer in order, the attention on the changed keys: its mean over heads,
    shape (batch, rows).

    Args:
        alpha: strength; for each key, row or both where they differ.
        formula: one of :data:`KNOWN`.
        active: query rows that are changed, shape (batch, length).
        named: keys that are changed in these rows, same shape.
        real: slots that are not padding, same shape.
        mutual: pairs of slots that see each other, in either order, shape (batch, length, length);
            None if no row sees a later one. A window still hides what is before it.
        narrow: round where eager attention does, instead of computing in float32 or wider. This
            answer is correct too, and shows how much rounding matters in the steered model.

    Raises:
        UnknownFormulaError: ``formula`` is not in :data:`KNOWN`.
    """

    alpha: Alpha
    formula: str
    active: Tensor
    named: Tensor
    real: Tensor
    mutual: Tensor | None = None
    narrow: bool = False
    below_zero: int = field(default=0, init=False)
    seen: int = field(default=0, init=False)
    shares: list[Tensor] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        if self.formula not in KNOWN:
            raise UnknownFormulaError(self.formula)

    @classmethod
    def of_prompts(
        cls,
        ids: Tensor,
        mask: Tensor,
        named: Sequence[int],
        alpha: Alpha,
        formula: str,
        answer: int = 0,
        mutual: Sequence[int] = (),
    ) -> FullScores:
        """Make it from ids and mask; the last ``answer`` tokens of each sample are an answer.

        Keys whose ids are in ``named`` are changed. Tokens whose ids are in ``mutual`` see each
        other if nothing else lies between them.
        """
        real = mask.bool()
        left = real.flip(1).cumsum(1).flip(1)  # real tokens from here to the end, inclusive
        active, keys = real & (left <= answer + 1), real & _among(ids, named)
        return cls(alpha, formula, active, keys, real, _runs(_among(ids, mutual)))

    def attend(
        self, module: Any, query: Tensor, key: Tensor, value: Tensor, **kwargs: Any
    ) -> tuple[Tensor, None]:
        """Return the attention output, shape (batch, rows, heads, head_dim)."""
        wide = torch.promote_types(query.dtype, torch.float32)
        inner = query.dtype if self.narrow else wide
        groups = query.shape[1] // key.shape[1]
        key = key.to(inner).repeat_interleave(groups, 1)
        scale = kwargs.get("scaling")
        scale = query.shape[3] ** -0.5 if scale is None else scale
        raw = torch.einsum("bhid,bhjd->bhij", query.to(inner), key) * scale
        rows, keys = raw.shape[2:]
        place = torch.arange(keys, device=raw.device)
        from_end = slice(keys - rows, keys)  # Gemma 4 may run only a pass's last rows
        visible = (place[from_end, None] >= place)[None, None]
        if self.mutual is not None:
            visible = visible | self.mutual.to(raw.device)[:, None, from_end]
        window = kwargs.get("sliding_window")
        if window is not None:
            visible = visible & (place[from_end, None] - place < window)
        visible = visible & self.real.to(raw.device)[:, None, None, :]
        spots = self.active[:, None, from_end, None] & self.named[:, None, None, :]
        spots = spots.to(raw.device)
        counted = (spots & visible).expand_as(raw)
        self.seen += int(counted.sum())
        self.below_zero += int((counted & (raw < 0)).sum())
        alpha = self._alpha_of(from_end, raw)
        change = CHANGES.get(self.formula)
        scores = (raw if change is None else torch.where(spots, change(raw, alpha), raw)).to(wide)
        cap = kwargs.get("softcap")
        if cap is not None:
            scores = cap * torch.tanh(scores / cap)
        scores = scores.masked_fill(~visible, torch.finfo(wide).min)
        value = value.to(inner).repeat_interleave(groups, 1)
        weights = scores.softmax(-1).to(inner)
        mixed = weights @ value
        self.shares.append(torch.where(spots, weights, 0.0).sum(-1).mean(1))
        if self.formula in OUTPUT_CHANGES:
            others = (visible & ~spots).any(-1, keepdim=True)
            unheard = scores.masked_fill(spots & others, torch.finfo(wide).min)
            without = unheard.softmax(-1).to(inner) @ value
            heard = torch.where(spots, weights, 0.0).sum(-1, keepdim=True)
            mixed = OUTPUT_CHANGES[self.formula](mixed, without, heard, alpha)
        return mixed.to(query.dtype).transpose(1, 2).contiguous(), None

    def _alpha_of(self, rows: slice, raw: Tensor) -> Alpha:
        """Return the strength of these rows, in the dtype of the raw scores."""
        if not isinstance(self.alpha, Tensor):
            return self.alpha
        own = self.alpha if self.alpha.shape[2] == 1 else self.alpha[:, :, rows]
        return own.to(raw)

    @contextmanager
    def instead(self, located: Located, layers: Sequence[int]) -> Iterator[None]:
        """Make ``layers`` use this as their attention inside a ``with`` block."""
        modules: list[Any] = [located.attentions[i] for i in layers]
        originals = [module.config for module in modules]
        try:
            for module, original in zip(modules, originals, strict=True):
                rerouted = copy.copy(original)
                rerouted._attn_implementation_internal = _NAME
                setattr(rerouted, _STATE, self)
                module.config = rerouted
            yield
        finally:
            for module, original in zip(modules, originals, strict=True):
                module.config = original


def _among(ids: Tensor, wanted: Sequence[int]) -> Tensor:
    return torch.isin(ids, torch.tensor(wanted, dtype=ids.dtype, device=ids.device))


def _runs(inside: Tensor) -> Tensor | None:
    """Return which pairs of slots lie in one unbroken run of True; None if nothing is True."""
    if not bool(inside.any()):
        return None
    number = (~inside).cumsum(1)  # constant inside a run
    return inside[:, :, None] & inside[:, None] & (number[:, :, None] == number[:, None])


def _dispatch(
    module: Any, query: Tensor, key: Tensor, value: Tensor, mask: Any, **kwargs: Any
) -> tuple[Tensor, None]:
    state: FullScores = getattr(module.config, _STATE)
    return state.attend(module, query, key, value, **kwargs)


AttentionInterface.register(_NAME, _dispatch)
