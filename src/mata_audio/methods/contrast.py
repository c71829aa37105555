"""``Contrast``: away from what the model would say unheard, most where that is sure of itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.method import Method, number
from mata_audio.steering.rule import UNHEARD, Rule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class Contrast(Method):
    """Move the next token's logits away from those of a view that does not hear the audio.

    With logits F as the model listens, and W where the audio is out of reach of the last prompt
    token and all later ones, each token's logit becomes F + alpha c^power (F - W). c is the
    greatest probability in W: how sure the model is without the audio. Tokens whose probability in
    F is less than ``cut`` times the greatest are ruled out. Our own; with power 0 and cut 0 it is
    AAD (arXiv 2506.07233) with a view from the same prefill.

    Args:
        alpha: strength; 0 changes nothing.
        power: of c; 0 weighs all tokens of an answer alike.
        cut: from 0 to 1; 0 rules nothing out.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "contrast"
    summary: ClassVar[str] = "away from the unheard answer, weighed by how sure that is"
    source: ClassVar[str] = "ours"

    alpha: float = 2.0
    power: float = 2.0
    cut: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", number("alpha", self.alpha))
        object.__setattr__(self, "power", number("power", self.power, 0, 100))
        object.__setattr__(self, "cut", number("cut", self.cut, 0, 1))

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.alpha == 0:
            return Rule(((),))
        return Rule(((), UNHEARD), combine=self.combined)

    def combined(self, logits: Tensor) -> Tensor:
        """Return the logits of the next token from both views', ``(2, ..., vocabulary)``."""
        heard, unheard = logits
        return within(self.cut, heard, apart(heard, unheard, self.alpha, self.power))


def apart(heard: Tensor, unheard: Tensor, alpha: Tensor | float, power: float) -> Tensor:
    """Return ``heard + alpha c^power (heard - unheard)``; c is how sure the unheard view is."""
    sure = unheard.softmax(-1).amax(-1, keepdim=True)
    return heard + alpha * sure**power * (heard - unheard)


def within(cut: float, heard: Tensor, logits: Tensor) -> Tensor:
    """Return ``logits`` without tokens less likely in ``heard`` than ``cut`` times the likeliest.

    The plausibility constraint of contrastive decoding (VCD, arXiv 2311.16922, section 3.3).
    """
    if cut == 0:
        return logits
    probabilities = heard.softmax(-1)
    least = cut * probabilities.amax(-1, keepdim=True)
    return logits.masked_fill(probabilities < least, float("-inf"))
