"""``AAD``: away from what the model would say without the audio, by a fixed share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.method import Method, number
from mata_audio.notation.tokens import read_tokens
from mata_audio.steering.rule import Rule, unheard

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class AAD(Method):
    """Audio-Aware Decoding (arXiv 2506.07233): (1 + alpha) z - alpha z0, at every token.

    z are the next token's logits, z0 those of a view that lacks the audio but has the same answer
    so far. Raw logits on both sides, the whole vocabulary, no cut, no gate; the first token of the
    answer included (inference_and_eval_qwen.py of GillbertHsu/Audio-Aware-Decoding).

    How it was read: z0 is of the same prefill, with the audio out of reach of the last prompt token
    and all later ones in every layer; the question before that token has heard it. The authors
    read a second prompt instead, which has the placeholder but no audio (the code's default) or
    zeros of the same length (the paper, according to a digest).

    The released setting also starts the question with a request to focus on the audio. That is part
    of the prompt, and not done here.

    Args:
        alpha: strength; 0 changes nothing, and reads no second view.
        tokens: what the second view lacks: ``"audio"``, ``"image"``, ``"video"``, or several.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "aad"
    summary: ClassVar[str] = "away from the unheard answer, by alpha"
    source: ClassVar[str] = "arXiv 2506.07233; GillbertHsu/Audio-Aware-Decoding"

    alpha: float = 0.5
    tokens: str = "audio"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", number("alpha", self.alpha))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.alpha == 0:
            return Rule(((),), tokens=self.tokens)
        return Rule(((), unheard(self.tokens)), combine=self.combined, tokens=self.tokens)

    def combined(self, logits: Tensor) -> Tensor:
        """Return the logits of the next token from both views', ``(2, ..., vocabulary)``."""
        heard, unheard_logits = logits
        return (1 + self.alpha) * heard - self.alpha * unheard_logits
