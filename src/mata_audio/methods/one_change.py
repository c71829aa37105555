"""Methods that change the attention to one kind of tokens, by one formula."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mata_audio.errors import SettingsError
from mata_audio.methods.method import MAX_ALPHA, Method, number
from mata_audio.notation.gains import GainTable, read_gains
from mata_audio.notation.layers import parse_indices, read_layers
from mata_audio.notation.rows import read_rows
from mata_audio.notation.tokens import read_tokens
from mata_audio.steering.rule import Change, Rule


@dataclass(frozen=True)
class OneChange(Method):
    """Base of methods with a strength, layers, heads and rows.

    Args:
        alpha: strength; 0 changes nothing. None is the method's default, or 1 with ``gains``.
        layers: decoder layers, counted from 0: a range, an iterable of ints, a string such as
            ``"10-20"`` (inclusive) or ``"10,12,15-17"``, ``"all"``, ``"10-20 of 28"`` (scaled to
            the model's depth), or None for that, MATA's published layers.
        heads: query heads in those layers, written the same way; None for all.
        gains: a strength for each layer and head of one model, shape ``(layers, heads)``, instead
            of ``layers`` and ``heads``; all are multiplied by alpha.
        rows: which query rows of the prompt are changed, in addition to all later rows: ``"last"``,
            ``"all"``, ``"after-audio"``, or any number as in ``"last-8"`` and ``"random-8"``.
        seed: seed for the random rows.
        tokens: which keys are changed: ``"audio"``, ``"image"``, ``"video"``, or several with
            commas, such as ``"audio,image"``. ``rows="after-audio"`` means after these.

    Raises:
        SettingsError: a value that is not allowed (also a ``ValueError``).
        SettingsTypeError: a type that is not allowed (also a ``TypeError``).
    """

    default_alpha: ClassVar[float] = 1.0

    alpha: float = None  # type: ignore[assignment]  # __post_init__ makes it a float
    layers: Iterable[int] | str | None = None
    heads: Iterable[int] | str | None = None
    gains: GainTable | None = None
    rows: str = "last"
    seed: int = 0
    tokens: str = "audio"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.gains is not None:
            if self.layers is not None or self.heads is not None:
                raise SettingsError(
                    "gains cover all layers and heads: give either gains, or layers and heads"
                )
            object.__setattr__(self, "gains", read_gains(self.gains, MAX_ALPHA))
        if self.alpha is None:
            object.__setattr__(self, "alpha", self.default_alpha if self.gains is None else 1.0)
        object.__setattr__(self, "alpha", number("alpha", self.alpha))
        object.__setattr__(self, "layers", read_layers(self.layers))
        object.__setattr__(self, "heads", parse_indices("heads", self.heads))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))
        read_rows(self.rows, self.seed)

    def change(self, formula: str) -> Change:
        """Return the change of attention by ``formula``."""
        return Change(formula, self.alpha, self.tokens, self.layers, self.heads, self.gains)

    def by(self, formula: str) -> Rule:
        """Return the rule that changes attention by ``formula`` and nothing else."""
        return Rule(
            ((self.change(formula),),),
            rows=read_rows(self.rows, self.seed),
            tokens=self.tokens,
        )
