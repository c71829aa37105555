"""Which query rows of a prompt are changed: the last, as in the paper, or others to compare.

Rows of the answer are always changed: each is the last row at its step.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.notation.did_you_mean import did_you_mean

ROW_NAMES = ("last", "all", "after-audio", "last-K", "random-K")
"""What ``rows`` may be; K is a number of rows, as in ``last-8``."""

MAX_SEED = 2**63 - 1

_HOW = ", ".join(f'"{name}"' for name in ROW_NAMES) + ' with a number for K, as in "last-8"'

_COUNTED = re.compile(r"(last|random)-([1-9]\d{0,8})")


@dataclass(frozen=True)
class PromptRows:
    """The prompt rows that are changed.

    Args:
        kind: ``"last"``, ``"all"``, ``"after-audio"`` (rows after the prompt's last audio token;
            only the last row if nothing follows it) or ``"random"``.
        count: how many rows, for ``"last"`` and ``"random"``; in a shorter prompt, all.
        seed: seed for the random rows, which are the same in prompts of equal length.
    """

    kind: str
    count: int = 1
    seed: int = 0

    @property
    def is_last(self) -> bool:
        """Whether nothing before the last prompt token is changed, as in the paper."""
        return (self.kind, self.count) == ("last", 1)


LAST = PromptRows("last")


def read_rows(rows: object, seed: object) -> PromptRows:
    """Read the ``rows`` and ``seed`` of a setting.

    Raises:
        SettingsError: ``rows`` is none of :data:`ROW_NAMES`, or the seed is negative or too great.
        SettingsTypeError: ``rows`` is not a string, or the seed is not an int.
    """
    if not isinstance(rows, str):
        raise SettingsTypeError(f"rows must be {_HOW}; got {rows!r}")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise SettingsTypeError(f"seed must be an int; got {seed!r}")
    if not 0 <= seed <= MAX_SEED:
        raise SettingsError(f"seed must be from 0 to {MAX_SEED}; got {seed}")
    if rows in ("last", "all", "after-audio"):
        return PromptRows(rows)
    counted = _COUNTED.fullmatch(rows)
    if counted is None:
        hint = did_you_mean(rows, ("last", "all", "after-audio", "last-8", "random-8"))
        raise SettingsError(f"rows must be {_HOW}; got {rows!r}{hint}")
    return PromptRows(counted[1], int(counted[2]), seed if counted[1] == "random" else 0)
