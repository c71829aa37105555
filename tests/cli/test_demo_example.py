"""The demo's example: which question it shows, and what it says of it."""

from __future__ import annotations

import pytest

from mata_audio.cli.demo.example import CLEAR, choose_example, gained_by
from mata_audio.evaluation.results.results import Answer, ItemResult
from mata_audio.tiny import make_items

Right = tuple[bool, bool, bool]
"""Whether baseline, MATA and Mass are right."""

NONE, FIRST, SECOND, BOTH = (
    (False, False, False),
    (False, True, False),
    (False, False, True),
    (False, True, True),
)
CLIPS = {own.id: own.clip for own in make_items("test", 200)}


def items(answered: dict[int, Right]) -> list[ItemResult]:
    """The first 200 questions; nobody is wrong except where told."""
    return [
        ItemResult(
            id=name,
            question="?",
            choices=(),
            answer="x",
            groups={},
            clips=(),
            answers={
                setting: Answer("", "", correct)
                for setting, correct in zip(
                    ("baseline", "MATA", "Mass"),
                    answered.get(index, (True, True, True)),
                    strict=True,
                )
            },
        )
        for index, name in enumerate(CLIPS)
    ]


def numbers(tasks: tuple[str, ...]) -> list[int]:
    """Questions of some tasks, those with the least noise first."""
    found = [n for n, clip in enumerate(CLIPS.values()) if clip.task in tasks]
    return sorted(found, key=lambda n: -list(CLIPS.values())[n].snr_db)


CLEARS, OTHERS = numbers(CLEAR), numbers(("vowel", "word", "mode", "event"))


@pytest.mark.parametrize(
    ("answered", "chosen"),
    [
        # The least noise, of what both gained.
        ({CLEARS[9]: BOTH, CLEARS[5]: BOTH, CLEARS[0]: FIRST}, CLEARS[5]),
        # A clear task with noise before a clear clip of another task.
        ({OTHERS[0]: BOTH, CLEARS[-1]: SECOND}, CLEARS[-1]),
        # What was gained before what is easy to hear.
        ({OTHERS[-1]: FIRST, CLEARS[0]: NONE}, OTHERS[-1]),
        # Nothing was gained.
        ({}, CLEARS[0]),
        ({CLEARS[3]: NONE}, CLEARS[0]),
    ],
)
def test_the_example_can_be_heard_and_judged(answered: dict[int, Right], chosen: int) -> None:
    assert choose_example(items(answered)).id == list(CLIPS)[chosen]


def test_what_counts_as_gained() -> None:
    given = items({0: BOTH, 1: SECOND, 2: NONE, 3: (True, False, True)})
    assert [gained_by(item) for item in given[:5]] == [["MATA", "Mass"], ["Mass"], [], [], []]
