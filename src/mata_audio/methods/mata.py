"""``MATA``: the paper's method, and its relatives that change scores otherwise."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mata_audio.methods.block import SteeredBlock
from mata_audio.methods.method import one_of
from mata_audio.methods.one_change import OneChange
from mata_audio.methods.own_file import folder_of, own_evidence, own_file, own_setting
from mata_audio.methods.presets import OWN_FIGURES, UNPUBLISHED, published
from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.rule import Rule

if TYPE_CHECKING:
    from torch import nn

    from mata_audio.steering.attachment import Attachment

PAPER_ALPHA = 0.1


@dataclass(frozen=True)
class MATA(OneChange):
    """More Attention To Audio (arXiv 2509.18816): scale the last token's attention scores on audio.

    For every query row from the last prompt token on, in the chosen layers and heads, the raw score
    A of each audio key becomes A' = (1 + alpha) A before the softmax (section 2 of the paper).

    ``MATA()`` is the paper's setting for every model. The command ``mata`` prefers a model folder's
    own ``mata.json``, and so do :meth:`for_model`, :func:`mata_audio.setting_for` and
    :func:`mata_audio.evaluate`.

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
    def for_model(model: str | Path) -> Preset:
        """Return the setting for a model, with its source and whose figures speak for it.

        It is the one in the model folder's ``mata.json`` if that is of MATA, as for the command
        ``mata``; else the published one; else the default, scaled to the model's depth.

        Args:
            model: hub id, such as ``"Qwen/Qwen2.5-Omni-7B"``, a local folder, or ``"tiny"``.

        Raises:
            SettingsError: the folder's ``mata.json`` has a value that is not allowed.
            SettingsTypeError: a field in it has the wrong type.

        Example:
            >>> preset = MATA.for_model("Qwen/Qwen2.5-Omni-7B")
            >>> preset.figures
            "the paper's"
            >>> with preset(model) as applied:  # doctest: +SKIP
            ...     output = model.generate(**inputs, do_sample=False)
        """
        folder = folder_of(model)
        own = own_setting(folder)
        if isinstance(own, MATA):
            return Preset(str(model), own, OWN_FIGURES, str(own_file(folder)), own_evidence(folder))
        row = published(str(model)) or UNPUBLISHED
        mata = MATA(alpha=row.alpha, layers=row.layers)
        return Preset(row.model or str(model), mata, row.figures, row.source, row.evidence)


@dataclass(frozen=True)
class Preset(OneLine, InHtml):
    """A setting for one model. It is applied as its ``mata`` is.

    Args:
        model: hub id, or the name that was given.
        mata: the setting.
        figures: whose figures speak for it on this model: ``"the paper's"``, ``"a digest's"`` (not
            read in the paper), ``"its makers'"`` (of the ``mata.json``), or ``"nobody's"``.
        source: where it comes from.
        evidence: what is known of its effect.
    """

    model: str
    mata: MATA
    figures: str
    source: str
    evidence: str

    def __call__(self, model: nn.Module, *args: Any, **kwargs: Any) -> SteeredBlock:
        """Steer ``model`` inside a ``with`` block; arguments and errors are those of ``mata``."""
        return self.mata(model, *args, **kwargs)

    def attach(self, model: nn.Module, *args: Any, **kwargs: Any) -> Attachment:
        """Steer ``model`` until ``.detach()`` of the result; arguments are those of ``mata``."""
        return self.mata.attach(model, *args, **kwargs)
