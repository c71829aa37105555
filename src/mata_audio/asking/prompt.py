"""A question about clips, as a model is given it."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import Tensor

from mata_audio.models.audio import Decoded
from mata_audio.models.prefill import BY_TOKEN
from mata_audio.shown.one_line import OneLine, described, short


@dataclass(frozen=True, eq=False)
class Prompt(OneLine):
    """One question about clips.

    Args:
        question: as the prompter was given it.
        clips: what the model hears.
        inputs: model inputs, a batch of one on the model's device.
    """

    question: str
    clips: Sequence[Decoded]
    inputs: Mapping[str, Tensor]
    sound: bytes = field(init=False, repr=False)
    """Digest of the inputs that do not belong to tokens: the clips' features."""

    def __post_init__(self) -> None:
        rest = {name: value for name, value in self.inputs.items() if name not in BY_TOKEN}
        object.__setattr__(self, "sound", _digest(rest))

    def __repr__(self) -> str:
        clips = f"{len(self.clips)} clip{'' if len(self.clips) == 1 else 's'}"
        return described(f"Prompt {short(self.question)!r}: {clips}, {len(self.tokens):,} tokens")

    @property
    def tokens(self) -> tuple[int, ...]:
        """The prompt's token ids."""
        return tuple(self.inputs["input_ids"][0].tolist())


def _digest(inputs: Mapping[str, Tensor]) -> bytes:
    digest = hashlib.sha256()
    for name, value in sorted(inputs.items()):
        digest.update(f"{name} {tuple(value.shape)} {value.dtype}".encode())
        plain = value.float() if value.is_floating_point() else value
        digest.update(plain.detach().cpu().contiguous().numpy().tobytes())
    return digest.digest()
