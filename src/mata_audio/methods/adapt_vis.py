"""``AdaptVis``: sharper attention to the audio where the model is sure, flatter where it is not."""

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
class AdaptVis(Method):
    """AdaptVis (arXiv 2503.01773), of the audio here: A' = w A, at the last prompt row only.

    w is ``w1`` where the greatest probability p of the answer's first token, by the unmodified
    model and rounded to two decimals, is below ``threshold``, and else ``w2``. With w1 = w2 it is
    ScalingVis of the same paper. Rows of the answer attend as ever, to a cache in which the last
    prompt row was changed (modeling_llama_add_attn.py and llava15.py of shiqichen17/AdaptVis).

    How it was read: the default values are those of run.sh (on Controlled_Images_A). The authors
    chose weights and threshold for each data set, on a fifth of it. Their p comes after logits
    processors; here it comes before them. One data set of theirs takes the greatest raw score for
    p; that is not done here. They generate a whole plain answer to know p; here the last prompt row
    is read twice, which gives the same p.

    Args:
        w1: factor of the scores where the model is unsure; 1 changes nothing.
        w2: factor of the scores where it is sure; 1 changes nothing.
        threshold: least probability that is sure.
        layers: decoder layers, written as for :class:`~mata_audio.methods.one_change.OneChange`;
            all were published.
        tokens: which keys: ``"audio"``, ``"image"``, ``"video"``, or several with commas.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "adaptvis"
    summary: ClassVar[str] = "raw scores on audio, times w1 if the model is unsure, else w2"
    source: ClassVar[str] = "arXiv 2503.01773; shiqichen17/AdaptVis"

    w1: float = 0.5
    w2: float = 1.5
    threshold: float = 0.4
    layers: Iterable[int] | str | None = "all"
    tokens: str = "audio"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "w1", number("w1", self.w1, 0, MAX_ALPHA))
        object.__setattr__(self, "w2", number("w2", self.w2, 0, MAX_ALPHA))
        object.__setattr__(self, "threshold", number("threshold", self.threshold, 0, 1))
        object.__setattr__(self, "layers", read_layers(self.layers))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.w1 == self.w2 == 1:
            return Rule(((),), tokens=self.tokens)
        scores = Change("multiply", 1.0, self.tokens, self.layers)
        return Rule(((scores,),), look=FirstLook(self.strength), tokens=self.tokens)

    def strength(self, logits: Tensor) -> Tensor:
        """Return w - 1 of each sample, from unmodified logits of shape ``(batch, vocabulary)``."""
        sure = logits.double().softmax(-1).amax(-1).mul(100).round().div(100)
        return sure.new_full(sure.shape, self.w1 - 1).where(sure < self.threshold, self.w2 - 1)
