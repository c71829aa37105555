"""``CAAC``: more attention to the audio at each token that the model is unsure of."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.method import MAX_ALPHA, Method, number
from mata_audio.notation.layers import read_layers
from mata_audio.notation.tokens import read_tokens
from mata_audio.steering.rule import Change, FirstLook, Rule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class CAAC(Method):
    """The re-scaling (AAR) of CAAC (arXiv 2505.21472), of the audio here: A' = A factor(p).

    p is the greatest probability of the next token. Where it is at most ``threshold``, the factor
    of the raw scores of audio keys is max(1, p + (1 - p) most), 1.5 - 0.5 p by default; else it is
    1. Before every token: one pass measures p, a second with the factor chooses the token
    (CAAC_utils.py and run_chair.py of mehrdadfazli/CAAC).

    How it was read: only this confidence part is here; the flattening of attention over the media
    (VTC, layers 0-9) is not. Prompt rows before the last are left alone; the authors' code for
    LLaVA-1.5 reads the whole sequence again at each token, and scales all its rows by that token's
    factor. p is of the unmodified row, which attends to a cache of rows that were changed, as in
    their code for LLaVA-NeXT; that for LLaVA-1.5 measures it under the last token's factor.

    Args:
        most: factor at p = 0; 1 changes nothing.
        threshold: greatest p at which scores are changed.
        layers: decoder layers, written as for :class:`~mata_audio.methods.one_change.OneChange`;
            all were published.
        tokens: which keys: ``"audio"``, ``"image"``, ``"video"``, or several with commas.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "caac"
    summary: ClassVar[str] = "raw scores on audio up to 1.5 times, more where a token is unsure"
    source: ClassVar[str] = "arXiv 2505.21472; mehrdadfazli/CAAC"

    most: float = 1.5
    threshold: float = 0.25
    layers: Iterable[int] | str | None = "all"
    tokens: str = "audio"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "most", number("most", self.most, 1, MAX_ALPHA))
        object.__setattr__(self, "threshold", number("threshold", self.threshold, 0, 1))
        object.__setattr__(self, "layers", read_layers(self.layers))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.most == 1:
            return Rule(((),), tokens=self.tokens)
        scores = Change("multiply", 1.0, self.tokens, self.layers)
        look = FirstLook(self.strength, each_step=True)
        return Rule(((scores,),), look=look, tokens=self.tokens)

    def strength(self, logits: Tensor) -> Tensor:
        """Return factor(p) - 1 of each sample, from logits of shape ``(batch, vocabulary)``."""
        sure = logits.softmax(-1).amax(-1)
        factor = (sure + (1 - sure) * self.most).clamp(min=1)
        return factor.where(sure <= self.threshold, 1.0) - 1
