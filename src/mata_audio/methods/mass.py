"""``Mass``: the share of attention that goes to audio, times 1 + alpha."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mata_audio.errors import SettingsTypeError
from mata_audio.methods.one_change import OneChange
from mata_audio.steering.rule import Rule


@dataclass(frozen=True)
class Mass(OneChange):
    """Multiply the share of attention that goes to audio by 1 + alpha, whatever the scores' signs.

    With a head's output o, and o_without if the audio keys did not exist, its output becomes
    o + alpha (o - o_without). MATA multiplies scores, which lowers attention where they are below
    zero; this never does. Our own.

    Args:
        alpha: strength: 1 doubles the share; -1 takes all of the audio away.
        clipped: stop where all attention goes to audio. Otherwise the output is extrapolated
            beyond that.

    The other arguments and errors are those of :class:`~mata_audio.methods.one_change.OneChange`.
    """

    name: ClassVar[str] = "mass"
    summary: ClassVar[str] = "the share of attention that goes to audio, times 1 + alpha"
    source: ClassVar[str] = "ours"

    clipped: bool = False

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.clipped, bool):
            raise SettingsTypeError(f"clipped must be true or false; got {self.clipped!r}")

    def rule(self) -> Rule:
        """Return what the method does."""
        return self.by("clipped_mass" if self.clipped else "mass")
