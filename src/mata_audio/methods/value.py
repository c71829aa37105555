"""``Value``: what the audio keys say, times 1 + alpha, with the attention to them as it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mata_audio.methods.one_change import OneChange
from mata_audio.steering.rule import Rule


@dataclass(frozen=True)
class Value(OneChange):
    """Multiply the values of audio keys by 1 + alpha: audio is louder, and nothing else quieter.

    With attention weights w and values v, a head's output sum of w v gains alpha times the part of
    that sum over audio keys. The weights stay as they are, so that they no longer add up to 1. Our
    own.

    Args:
        alpha: strength: 1 doubles the values; -1 leaves the audio's part out.

    The other arguments and errors are those of :class:`~mata_audio.methods.one_change.OneChange`.
    """

    name: ClassVar[str] = "value"
    summary: ClassVar[str] = "the values of audio keys, times 1 + alpha"
    source: ClassVar[str] = "ours"

    def rule(self) -> Rule:
        """Return what the method does."""
        return self.by("value")
