"""``GACL``: towards what the model says without the conflicting text, where it is sure of that."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.method import Method, number
from mata_audio.steering.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class GACL(Method):
    """Gated Audio Counterfactual Logit Correction (arXiv 2606.05161, EMNLP 2026).

    s + a (s_ref - s), where s are log-probabilities of the next token, and s_ref those of a
    reference prompt with the same audio but without the text that conflicts with it. With m the
    reference's margin between its likeliest token and the next, a = strength clip(m / tau, 0, 1),
    from 0 to 1, where the two prompts' likeliest tokens differ, and 0 elsewhere.

    How it was read: the authors compare candidate answers, each scored as a whole
    (src/methods/gacl.py of Yichen-Gao/arbitration-reversal-gacl); here every token is such a
    choice, over the whole vocabulary. Strength 1 and tau 0.5 are their code's defaults (its
    configuration file has 0.5 and 0.5).

    ``others={"reference": inputs}`` gives the reference prompt: only its caller knows which text to
    leave out, so an evaluation cannot make it.

    Args:
        strength: 0 changes nothing.
        tau: the margin, in nats, from which on the reference is trusted fully.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "gacl"
    summary: ClassVar[str] = "towards the answer without the conflicting text, where that is sure"
    source: ClassVar[str] = "arXiv 2606.05161 (EMNLP 2026); Yichen-Gao/arbitration-reversal-gacl"

    strength: float = 1.0
    tau: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "strength", number("strength", self.strength, 0))
        object.__setattr__(self, "tau", number("tau", self.tau, 0))

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.strength == 0:
            return Rule(((),))
        return Rule(((),), combine=self.combined, others=("reference",))

    def combined(self, logits: Tensor) -> Tensor:
        """Return the logits of the next token from both prompts', ``(2, ..., vocabulary)``."""
        joint, reference = logits.log_softmax(-1)
        best = reference.topk(2, dim=-1)
        margin = best.values[..., :1] - best.values[..., 1:]
        trusted = (margin / self.tau).clamp(0, 1) if self.tau else (margin > 0).to(margin)
        differ = joint.argmax(-1, keepdim=True) != best.indices[..., :1]
        weight = (self.strength * trusted * differ).clamp(0, 1)
        return joint + weight * (reference - joint)
