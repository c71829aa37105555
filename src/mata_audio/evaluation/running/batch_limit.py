"""What goes into one batch: a number of prompts, or a budget of tokens; of one length, or not."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from mata_audio.errors import SettingsError
from mata_audio.notation.did_you_mean import did_you_mean

AUTO = "auto"
Batching = Literal["exact", "padded"]
BATCHINGS: tuple[Batching, ...] = ("exact", "padded")
TOKENS = "tokens="


@dataclass(frozen=True)
class BatchLimit:
    """The most that goes into one batch; one of the two is given.

    Args:
        prompts: number of prompts.
        tokens: number of prompt tokens, padding included.
    """

    prompts: int | None = None
    tokens: int | None = None

    def at_once(self, width: int) -> int:
        """Return how many prompts of ``width`` tokens go into one batch: 1 at least."""
        if self.prompts is not None:
            return self.prompts
        assert self.tokens is not None
        return max(1, self.tokens // width)

    def halved(self, prompts: int, width: int) -> BatchLimit:
        """Return half of what a batch of so many prompts of ``width`` tokens had."""
        if self.prompts is not None:
            return BatchLimit(prompts=max(1, prompts // 2))
        return BatchLimit(tokens=max(1, prompts // 2) * width)

    def __str__(self) -> str:
        return str(self.prompts) if self.prompts is not None else f"{TOKENS}{self.tokens}"


def read_batch_size(size: int | str) -> BatchLimit | None:
    """Return the limit that ``batch_size`` names, such as 16 or "tokens=16384"; None for "auto".

    Raises:
        SettingsError: it names none.
    """
    if size == AUTO:
        return None
    text = str(size)
    number = text.removeprefix(TOKENS)
    if isinstance(size, bool) or not number.isdecimal() or int(number) < 1:
        hint = did_you_mean(size, (AUTO,))
        raise SettingsError(
            f"batch_size must be a number of prompts such as 16, a number of tokens such as "
            f'"{TOKENS}16384", or "{AUTO}"; got {size!r}{hint}'
        )
    return BatchLimit(tokens=int(number)) if text != number else BatchLimit(prompts=int(number))
