"""The statistics against direct enumeration."""

from __future__ import annotations

from math import comb

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.evaluation.results.significance import (
    difference_interval,
    holm,
    mcnemar_exact,
    paired_figures,
    wilson_interval,
)


@given(gained=st.integers(0, 40), lost=st.integers(0, 40))
def test_mcnemar_by_enumeration(gained: int, lost: int) -> None:
    n = gained + lost
    at_least = sum(comb(n, k) for k in range(max(gained, lost), n + 1)) / 2**n
    expected = min(1.0, 2 * at_least) if gained != lost else 1.0
    assert mcnemar_exact(gained, lost) == pytest.approx(expected)
    assert mcnemar_exact(gained, lost) == mcnemar_exact(lost, gained)


def test_mcnemar_of_a_known_case() -> None:
    """32 gained, 7 lost: 2 * P(X >= 32), X ~ Binomial(39, 1/2)."""
    tail = sum(comb(39, k) for k in range(32, 40))
    assert mcnemar_exact(32, 7) == pytest.approx(2 * tail / 2**39)
    with pytest.raises(ValueError, match="must not be negative"):
        mcnemar_exact(-1, 3)


def test_p_is_never_zero() -> None:
    """2 / 2**3000 is below the smallest float."""
    assert 0 < mcnemar_exact(3000, 0) < 1e-300


@pytest.mark.parametrize(("before", "after"), [([], []), ([True], [True, False])])
def test_figures_refuse_what_is_not_paired(before: list[bool], after: list[bool]) -> None:
    with pytest.raises(ValueError, match="non-empty sequences of the same items"):
        paired_figures(before, after)


def test_paired_figures_of_a_small_case() -> None:
    figures = paired_figures([True, True, False, False, False], [True, False, True, True, False])
    assert (figures.items, figures.baseline, figures.steered) == (5, 0.4, 0.6)
    assert (figures.gained, figures.lost, figures.p) == (2, 1, 1.0)
    assert figures.interval == difference_interval(2, 1, 5)


def test_wilson_interval_of_known_cases() -> None:
    """Newcombe 1998, table I: 81 of 263 and 15 of 148; and the ends."""
    assert wilson_interval(81, 263) == pytest.approx((0.2553, 0.3662), abs=5e-5)
    assert wilson_interval(15, 148) == pytest.approx((0.0624, 0.1605), abs=5e-5)
    assert wilson_interval(0, 20) == pytest.approx((0.0, 0.1611), abs=5e-5)
    assert wilson_interval(29, 29) == pytest.approx((0.8830, 1.0), abs=5e-5)
    assert wilson_interval(0, 20)[0] == 0.0
    assert wilson_interval(29, 29)[1] == 1.0


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_interval_is_where_the_score_test_turns(case: tuple[int, int]) -> None:
    correct, n = case
    low, high = wilson_interval(correct, n)
    assert 0 <= low <= correct / n <= high <= 1
    for end in (low, high):
        if 1e-9 < end < 1 - 1e-9:
            z = abs(correct / n - end) / (end * (1 - end) / n) ** 0.5
            assert z == pytest.approx(1.959964, rel=1e-6)


@pytest.mark.parametrize(("correct", "n"), [(1, 0), (-1, 3), (4, 3)])
def test_wilson_interval_refuses_impossible_counts(correct: int, n: int) -> None:
    with pytest.raises(ValueError, match="correct"):
        wilson_interval(correct, n)


def test_holm_by_hand() -> None:
    """Smallest times 4, next times 3, then the running maximum; never above 1."""
    assert holm([0.01, 0.04, 0.03, 0.005]) == pytest.approx([0.03, 0.06, 0.06, 0.02])
    assert holm([0.6, 0.7]) == [1.0, 1.0]
    assert holm([]) == []


@given(st.lists(st.floats(0, 1), max_size=8))
def test_holm_never_helps_and_keeps_the_order(values: list[float]) -> None:
    adjusted = holm(values)
    assert all(a >= p for a, p in zip(adjusted, values, strict=True))
    ranked = [a for _, a in sorted(zip(values, adjusted, strict=True))]
    assert ranked == sorted(ranked)
