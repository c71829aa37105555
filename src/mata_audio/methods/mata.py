"""``MATA``: the paper's method, and its relatives that change scores otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mata_audio.methods.method import one_of
from mata_audio.methods.one_change import OneChange
from mata_audio.methods.presets import UNPUBLISHED, published
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.rule import Rule

PAPER_ALPHA = 0.1


@dataclass(frozen=True)
class MATA(OneChange):
    """More Attention To Audio (arXiv 2509.18816): scale the last token's attention scores on audio.

    For every query row from the last prompt token on, in the chosen layers and heads, the raw score
    A of each audio key becomes A' = (1 + alpha) A before the softmax (section 2 of the paper).

    Args:
        alpha: strength; 0 changes nothing. None is the paper's best, 0.1, or 1 with ``gains``.
        layers: as for all methods of one change; None for the published 10-20 of 28, scaled to the
            model's depth.
        formula: ``"multiply"`` (the paper: A + alpha A), ``"absolute"`` (A + alpha |A|), ``"add"``
            (A + alpha); or, not of the scores but of the attention after the softmax, ``"mass"``
            (the share that goes to audio, times 1 + alpha), ``"clipped_mass"`` (the same, up to 1)
            or ``"value"`` (the audio keys' values, times 1 + alpha).

    The other arguments and errors are those of :class:`~mata_audio.methods.one_change.OneChange`.

    Example:
        >>> mata = MATA(alpha=0.1, layers="10-20")
        >>> with mata(model) as applied:  # doctest: +SKIP
        ...     output = model.generate(**inputs, do_sample=False)
        >>> print(applied.receipt)  # doctest: +SKIP
    """

    name: ClassVar[str] = "mata"
    summary: ClassVar[str] = "raw scores on audio times 1 + alpha, as in the paper"
    source: ClassVar[str] = "arXiv 2509.18816; absolute: PAI; add: a later version of the paper"
    default_alpha: ClassVar[float] = PAPER_ALPHA

    formula: str = "multiply"

    def __post_init__(self) -> None:
        super().__post_init__()
        one_of("formula", self.formula, tuple(FORMULAS))

    def rule(self) -> Rule:
        """Return what the method does."""
        return self.by(self.formula)

    @staticmethod
    def for_model(model: str) -> Preset:
        """Return the published setting for a model, with its source and evidence.

        If nothing is published: the default, scaled to the model's depth and marked as untested.

        Args:
            model: hub id, such as ``"Qwen/Qwen2.5-Omni-7B"``.
        """
        found = published(model)
        row = found or UNPUBLISHED
        return Preset(
            model=row.model or model,
            mata=MATA(alpha=row.alpha, layers=row.layers),
            source=row.source,
            evidence=row.evidence,
            tested=found is not None,
        )


@dataclass(frozen=True)
class Preset:
    """A setting for one model.

    Args:
        model: hub id, or the name that was given.
        mata: the setting.
        source: where it comes from.
        evidence: what is known of its effect, and who measured it.
        tested: whether anyone published a figure for this model with it.
    """

    model: str
    mata: MATA
    source: str
    evidence: str
    tested: bool
