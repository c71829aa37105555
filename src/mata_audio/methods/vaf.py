"""``VAF``: more attention from the question to the audio, less to what comes before the audio."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import ClassVar

from mata_audio.methods.method import MAX_ALPHA, Method, number
from mata_audio.notation.keys import BEFORE_AUDIO
from mata_audio.notation.layers import read_layers
from mata_audio.notation.rows import PromptRows
from mata_audio.notation.tokens import read_tokens
from mata_audio.steering.rule import Change, Rule


@dataclass(frozen=True)
class VAF(Method):
    """Visual Amplification Fusion (ClearSight, arXiv 2503.13107), of the audio here.

    In the middle layers, the raw scores of the audio keys are multiplied by ``enhance``, and those
    of all prompt keys before the first audio token by ``suppress``, at every prompt row after the
    last audio token and at every later row. Keys of the question and of the answer stay as they
    are (visaug/inference/AttnAdapter.py of ustc-hyin/ClearSight).

    How it was read: the default values are those of the released command (infer_pope.sh). Digests
    of the paper give 0.9 or 0.85 for the suppression, and speak of chosen heads; the code has all
    heads. It is a plain product, so scores below zero go the other way. The suppressed keys include
    the prompt's first token, and the token that opens the audio. With several clips, keys between
    them stay as they are; the authors have one image.

    Args:
        enhance: factor of the scores of audio keys; 1 changes nothing.
        suppress: factor of the scores of keys before the audio; 1 changes nothing.
        layers: decoder layers, written as for :class:`~mata_audio.methods.one_change.OneChange`;
            layers 9-14 of 32 were published.
        tokens: which keys: ``"audio"``, ``"image"``, ``"video"``, or several with commas; the rows
            are those after them, and the suppressed keys those before them.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    name: ClassVar[str] = "vaf"
    summary: ClassVar[str] = "raw scores on audio up, on what is before it down, from the question"
    source: ClassVar[str] = "arXiv 2503.13107; ustc-hyin/ClearSight"

    enhance: float = 1.15
    suppress: float = 0.95
    layers: Iterable[int] | str | None = "9-14 of 32"
    tokens: str = "audio"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "enhance", number("enhance", self.enhance, 0, MAX_ALPHA))
        object.__setattr__(self, "suppress", number("suppress", self.suppress, 0, MAX_ALPHA))
        object.__setattr__(self, "layers", read_layers(self.layers))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))

    def rule(self) -> Rule:
        """Return what the method does."""
        factors = {self.tokens: self.enhance, BEFORE_AUDIO: self.suppress}
        changes = tuple(
            Change("multiply", factor - 1, keys, self.layers)
            for keys, factor in factors.items()
            if factor != 1
        )
        if not changes:
            return Rule(((),), tokens=self.tokens)
        return Rule((changes,), rows=PromptRows("after-audio"), tokens=self.tokens)
