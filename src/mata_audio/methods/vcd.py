"""``VCD``: away from what the model would say if the audio were drowned in noise."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

from mata_audio.methods.contrast import within
from mata_audio.methods.method import Method, number
from mata_audio.steering.rule import Rule

if TYPE_CHECKING:
    from torch import Tensor


@dataclass(frozen=True)
class VCD(Method):
    """Visual Contrastive Decoding (arXiv 2311.16922, CVPR 2024), of audio here.

    (1 + alpha) z - alpha z~, where z are the next token's logits and z~ those of a second prompt
    whose features have 500 of 1,000 steps of diffusion noise. Tokens whose probability in z is less
    than ``cut`` times the greatest are ruled out.

    How it was read: the defaults are those of the authors' evaluation scripts (alpha 1, cut 0.1,
    step 500; the sampler's own fallback is alpha 0.5). The noise is on what the model's processor
    returns, as theirs is on normalised pixels (vcd_utils/vcd_add_noise.py). They sample with
    temperature 1; here, decoding is the caller's choice.

    In a program of one's own, ``others={"noise": inputs}`` gives the second prompt; an evaluation
    makes it, with a seed for each item.

    Args:
        alpha: strength; 0 changes nothing.
        cut: from 0 to 1; 0 rules nothing out.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "vcd"
    summary: ClassVar[str] = "away from the answer to the same clip in noise"
    source: ClassVar[str] = "arXiv 2311.16922 (CVPR 2024); DAMO-NLP-SG/VCD"

    alpha: float = 1.0
    cut: float = 0.1

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "alpha", number("alpha", self.alpha))
        object.__setattr__(self, "cut", number("cut", self.cut, 0, 1))

    def rule(self) -> Rule:
        """Return what the method does."""
        if self.alpha == 0:
            return Rule(((),))
        return Rule(((),), combine=self.combined, others=("noise",))

    def combined(self, logits: Tensor) -> Tensor:
        """Return the logits of the next token from both prompts', ``(2, ..., vocabulary)``."""
        heard, noisy = logits
        return within(self.cut, heard, (1 + self.alpha) * heard - self.alpha * noisy)
