"""How numbers are written, in tables as on the page."""

from __future__ import annotations

import math
from collections.abc import Callable

import pytest

from mata_audio.evaluation.results.number_format import (
    ABSENT,
    counted,
    equals_p,
    p_value,
    percent,
    points,
    seconds,
    typeset,
)


@pytest.mark.parametrize(
    ("write", "number", "text"),
    [
        (p_value, 1.0, "1"),
        (p_value, 0.996, "1"),
        (p_value, 0.45, "0.45"),
        (p_value, 0.1, "0.1"),
        (p_value, 0.0999, "0.1"),
        (p_value, 0.047, "0.047"),
        (p_value, 0.00013, "0.00013"),
        (p_value, 0.0001, "0.0001"),
        (p_value, 0.00009, "< 0.0001"),
        (p_value, math.nan, ABSENT),
        (points, 0.025, "+2.5"),
        (points, -0.025, "-2.5"),
        (points, 0.0, "+0.0"),
        (points, -0.0004, "+0.0"),
        (points, math.inf, ABSENT),
        (points, math.nan, ABSENT),
    ],
)
def test_p_values_and_points(write: Callable[[float], str], number: float, text: str) -> None:
    """p has two significant digits; points have a sign, and nothing is no loss."""
    assert write(number) == text


def test_other_numbers() -> None:
    assert [percent(0.711), percent(1.0), percent(math.nan)] == ["71.1", "100.0", ABSENT]
    assert [equals_p(0.1), equals_p(0.00001)] == ["= 0.1", "< 0.0001"]
    assert [counted(1, "item"), counted(1000, "item")] == ["1 item", "1,000 items"]
    assert [seconds(9.0, 9.0), seconds(41.0, 30.0)] == ["9.0 s", "30.0 of 41.0 s heard"]
    assert seconds(math.nan, 1.0) == ""


def test_typeset_changes_only_minus_signs_and_spaces() -> None:
    assert typeset("-2.5 to +1.0") == "\u22122.5\xa0to\xa0+1.0"
