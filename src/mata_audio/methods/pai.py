"""``PAI``: more attention to the audio, and away from what the model would say without it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.contrast import within
from mata_audio.methods.method import Method, number, one_of
from mata_audio.notation.layers import read_layers
from mata_audio.notation.tokens import read_tokens
from mata_audio.steering.rule import Change, Rule, unheard

if TYPE_CHECKING:
    from torch import Tensor

_VIEWS = ("unheard", "no-audio")


@dataclass(frozen=True)
class PAI(Method):
    """Pay Attention to Image (arXiv 2407.21771, ECCV 2024), to the audio here. It has two parts.

    Attention: A' = A + alpha |A| for the raw scores of the audio keys, at the last prompt row and
    every later one (attention.py of LALBJ/PAI).

    Logits: with lp the log-softmax as the model so listens, and lp0 that of an unmodified view
    without the audio, gamma (lp - lp0) + lp0; tokens whose probability in lp is less than ``cut``
    times the greatest are ruled out (CFG.py). The result is not normalised again.

    How it was read: the released defaults are of its README (alpha 0.2, gamma 1.1, layers 2-31 of
    32; the scripts' own gamma is 2), the cut is in its code. By default lp0 is of the same prefill,
    with the audio out of reach of the last prompt token and all later ones; the authors delete the
    image tokens from a second prompt, as ``view="no-audio"`` does, which an evaluation makes and
    ``others={"no-audio": inputs}`` gives. With both parts on, their code leaves the attention of
    the prompt and the first token as it was, because of a flag; here both work at every token.

    Args:
        alpha: strength of the attention part; 0 leaves attention alone.
        gamma: strength of the logits part; 1 leaves it out, the cut too.
        cut: from 0 to 1; 0 rules nothing out.
        layers: decoder layers of the attention part, written as for
            :class:`~mata_audio.methods.one_change.OneChange`.
        tokens: which keys: ``"audio"``, ``"image"``, ``"video"``, or several with commas.
        view: where lp0 comes from: ``"unheard"`` or ``"no-audio"``.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "pai"
    summary: ClassVar[str] = "raw scores on audio plus alpha times their size, and unheard logits"
    source: ClassVar[str] = "arXiv 2407.21771 (ECCV 2024); LALBJ/PAI"

    alpha: float = 0.2
    gamma: float = 1.1
    cut: float = 0.1
    layers: Iterable[int] | str | None = "2-31 of 32"
    tokens: str = "audio"
    view: str = "unheard"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", number("alpha", self.alpha))
        object.__setattr__(self, "gamma", number("gamma", self.gamma))
        object.__setattr__(self, "cut", number("cut", self.cut, 0, 1))
        object.__setattr__(self, "layers", read_layers(self.layers))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))
        one_of("view", self.view, _VIEWS)

    def rule(self) -> Rule:
        """Return what the method does."""
        louder: tuple[Change, ...] = ()
        if self.alpha:
            louder = (Change("absolute", self.alpha, self.tokens, self.layers),)
        if self.gamma == 1:
            return Rule((louder,), tokens=self.tokens)
        if self.view != "unheard":
            others = (self.view,)
            return Rule((louder,), combine=self.combined, others=others, tokens=self.tokens)
        views = (louder, unheard(self.tokens))
        return Rule(views, combine=self.combined, tokens=self.tokens)

    def combined(self, logits: Tensor) -> Tensor:
        """Return the logits of the next token from both views', ``(2, ..., vocabulary)``."""
        heard, without = logits.log_softmax(-1)
        return within(self.cut, heard, self.gamma * (heard - without) + without)
