"""``AAD``: away from what the model would say without the audio, by a fixed share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.method import Method, number, one_of
from mata_audio.notation.tokens import read_tokens
from mata_audio.steering.rule import Rule, unheard

if TYPE_CHECKING:
    from torch import Tensor

_VIEWS = ("unheard", "silence", "no-audio")


@dataclass(frozen=True)
class AAD(Method):
    """Audio-Aware Decoding (arXiv 2506.07233): (1 + alpha) z - alpha z0, at every token.

    z are the next token's logits, z0 those of a view that lacks the audio but has the same answer
    so far. Raw logits on both sides, the whole vocabulary, no cut, no gate; the first token of the
    answer included (inference_and_eval_qwen.py of GillbertHsu/Audio-Aware-Decoding).

    How it was read: by default z0 is of the same prefill, with the audio out of reach of the last
    prompt token and all later ones in every layer; the question before that token has heard it.
    The authors read a second prompt instead: zeros of the same length (``view="silence"``: the
    paper, according to a digest), or a prompt whose placeholder has no audio (their code's
    default); ``view="no-audio"`` leaves out the placeholder too. In a program of one's own,
    ``others={"silence": inputs}`` gives that prompt; an evaluation makes it.

    The released setting also starts the question with a request to focus on the audio. That is part
    of the prompt, and not done here.

    Args:
        alpha: strength; 0 changes nothing, and reads no second view.
        tokens: what the second view lacks: ``"audio"``, ``"image"``, ``"video"``, or several.
        view: where z0 comes from: ``"unheard"``, ``"silence"`` or ``"no-audio"``.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "aad"
    summary: ClassVar[str] = "away from the unheard answer, by alpha"
    source: ClassVar[str] = "arXiv 2506.07233; GillbertHsu/Audio-Aware-Decoding"

    alpha: float = 0.5
    tokens: str = "audio"
    view: str = "unheard"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", number("alpha", self.alpha))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))
        one_of("view", self.view, _VIEWS)

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.alpha == 0:
            return Rule(((),), tokens=self.tokens)
        if self.view != "unheard":
            return Rule(((),), combine=self.combined, others=(self.view,), tokens=self.tokens)
        return Rule(((), unheard(self.tokens)), combine=self.combined, tokens=self.tokens)

    def combined(self, logits: Tensor) -> Tensor:
        """Return the logits of the next token from both, ``(2, ..., vocabulary)``."""
        heard, without = logits
        return (1 + self.alpha) * heard - self.alpha * without
