"""The no-audio arm's figures: what needs no hearing, and what settings gain there and elsewhere."""

from __future__ import annotations

from collections.abc import Sequence

from mata_audio.evaluation.results.figures import accuracy_of, left_out_of, row_of
from mata_audio.evaluation.results.results import (
    UNHEARD,
    Guessing,
    ItemResult,
    SettingResult,
    Unheard,
)

WITHOUT_AUDIO = "without the audio"
"""Key of the grouping by whether an item is answered right without the audio."""
RIGHT, NOT_RIGHT = "right unheard", "not right unheard"
"""Its groups."""


def unheard_of(items: Sequence[ItemResult], arm: SettingResult, settings: Sequence[str]) -> Unheard:
    """Return the figures of the no-audio arm over some items.

    Args:
        items: with the arm's answers among their answers.
        arm: the arm, as it was run.
        settings: names of the settings that are compared, the baseline first.
    """
    counted = [item for item in items if _right(item) is not None]
    correct = [bool(_right(item)) for item in counted]
    return Unheard(
        setting=arm,
        accuracy=accuracy_of(correct) if correct else None,
        left_out=left_out_of(items, [UNHEARD]).get(UNHEARD, 0),
        guessing=_guessing(counted),
        parts=tuple(
            row_of(
                WITHOUT_AUDIO,
                WITHOUT_AUDIO.capitalize(),
                name,
                [item for item in items if part_of(item) == name],
                settings,
            )
            for name in (RIGHT, NOT_RIGHT)
        ),
    )


def part_of(item: ItemResult) -> str | None:
    """Return the group of an item; None if it has no answer or is not scored.

    An answer that does not count is not right: the groups hold every item that any setting's
    figures count.
    """
    if UNHEARD not in item.answers or not item.scored:
        return None
    return RIGHT if _right(item) else NOT_RIGHT


def _right(item: ItemResult) -> bool | None:
    answer = item.answers.get(UNHEARD)
    return None if answer is None else answer.correct


def _guessing(counted: Sequence[ItemResult]) -> Guessing | None:
    known = [item for item in counted if item.choices]
    if not known:
        return None
    expected = sum(1 / len(item.choices) for item in known) / len(known)
    return Guessing(len(known), sum(bool(_right(item)) for item in known), expected)
