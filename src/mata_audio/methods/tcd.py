"""``TCD``: towards tokens that the clip's fine detail makes likelier than its blurred form does."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.method import Method, number
from mata_audio.steering.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor

_TOP, _TOP_BLURRED, _TOP_ENTROPY, _LAYERS = 16, 8, 5, 4


@dataclass(frozen=True)
class TCD(Method):
    """Temporal Contrastive Decoding (arXiv 2604.15383, ACL 2026 Findings).

    z + strength g max(z - z~, 0) for the 16 likeliest tokens in z and the 8 likeliest in z~, where
    z~ are the logits of a second prompt whose clip is smoothed by a Hann window. g = min(gamma r
    H^power, 1): r is the share of attention on audio in the last four layers, H the entropy of
    the five likeliest tokens in z, divided by log 5.

    How it was read: no code of the authors was found; constants are as a port has them (evalvitals,
    evalrx), which cites the paper's table 6. The paper makes the window (8 to 30 ms) and the
    strength (0.3 to 1.5) for each clip, from how steady the encoder's states are; here both are
    fixed, at 20 ms and what belongs to it. r is of the last row; gamma is of Qwen2-Audio.

    In a program of one's own, ``others={"blur": inputs}`` gives the second prompt; an evaluation
    makes it.

    Args:
        strength: 0 changes nothing.
        gamma: how soon g is 1.
        power: of the entropy.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "tcd"
    summary: ClassVar[str] = "towards what the clip says and its blurred form does not"
    source: ClassVar[str] = "arXiv 2604.15383 (ACL 2026 Findings); constants of a port"

    strength: float = 0.96
    gamma: float = 2.0
    power: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "strength", number("strength", self.strength, 0))
        object.__setattr__(self, "gamma", number("gamma", self.gamma, 0))
        object.__setattr__(self, "power", number("power", self.power, 0, 100))

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.strength == 0:
            return Rule(((),))
        return Rule(((),), combine=self.combined, others=("blur",), share_of=_LAYERS)

    def combined(self, logits: Tensor, share: Tensor) -> Tensor:
        """Return the logits of the next token.

        Args:
            logits: of both prompts, shape ``(2, ..., vocabulary)``.
            share: of attention on audio, shape ``(...)``.
        """
        clear, blurred = logits
        likeliest = clear.topk(_TOP_ENTROPY, dim=-1).values.log_softmax(-1)
        entropy = -(likeliest.exp() * likeliest).sum(-1) / math.log(_TOP_ENTROPY)
        gate = (self.gamma * share.to(clear) * entropy.clamp(min=0) ** self.power).clamp(max=1)
        changed = clear.new_zeros(clear.shape, dtype=bool)
        words = clear.shape[-1]
        changed.scatter_(-1, clear.topk(min(_TOP, words), dim=-1).indices, True)
        changed.scatter_(-1, blurred.topk(min(_TOP_BLURRED, words), dim=-1).indices, True)
        gain = (clear - blurred).clamp(min=0) * changed
        return clear + self.strength * gate[..., None] * gain
