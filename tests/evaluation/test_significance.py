"""The statistics against direct enumeration and direct resampling."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.evaluation.results.significance import (
    holm,
    mcnemar_exact,
    paired_bootstrap,
    smallest_difference,
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


@pytest.mark.parametrize(("gained", "lost", "items"), [(60, 20, 1000), (5, 5, 100), (0, 0, 50)])
def test_bootstrap_like_resampling_the_items(gained: int, lost: int, items: int) -> None:
    before = np.zeros(items, dtype=bool)
    after = np.zeros(items, dtype=bool)
    after[:gained] = True
    before[gained : gained + lost] = True
    before[-10:] = after[-10:] = True
    low, high = paired_bootstrap(before, after)
    rng = np.random.default_rng(1)
    draws = rng.integers(0, items, (4_000, items))
    differences = (after[draws].astype(int) - before[draws]).mean(1)
    expected = np.quantile(differences, [0.025, 0.975])
    assert (low, high) == pytest.approx(tuple(expected), abs=1.5e-3)
    assert low <= (gained - lost) / items <= high
    assert (low, high) == paired_bootstrap(before.tolist(), after.tolist())


@pytest.mark.parametrize(("before", "after"), [([], []), ([True], [True, False])])
def test_bootstrap_refuses_what_is_not_paired(before: list[bool], after: list[bool]) -> None:
    with pytest.raises(ValueError, match="non-empty sequences of the same items"):
        paired_bootstrap(before, after)


def test_coverage() -> None:
    """The 95 % interval holds the true difference in about 95 of 100 experiments."""
    rng = np.random.default_rng(0)
    hits = 0
    for _ in range(400):
        kind = rng.choice(3, size=300, p=[0.10, 0.05, 0.85])
        low, high = paired_bootstrap(kind == 1, kind == 0, draws=1_000)
        hits += low <= 0.05 <= high
    assert 0.91 <= hits / 400 <= 0.985


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


def test_smallest_difference_at_the_usual_size() -> None:
    """About 2.8 points at n = 1,000 and 10 % discordance; simulation finds 80 % power there."""
    difference = smallest_difference(1000, 100)
    assert difference == pytest.approx(0.028, abs=0.0005)
    rng = np.random.default_rng(0)
    shares = [(0.1 + difference) / 2, (0.1 - difference) / 2, 0.9]
    draws = rng.multinomial(1000, shares, size=4000)
    scores = (draws[:, 0] - draws[:, 1]) / np.sqrt(np.maximum(draws[:, 0] + draws[:, 1], 1))
    assert np.mean(scores > 1.959964) == pytest.approx(0.8, abs=0.02)


@given(st.integers(1, 5000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_smallest_difference_is_one_that_the_exact_test_can_show(case: tuple[int, int]) -> None:
    n, discordant = case
    difference = smallest_difference(n, discordant)
    assert 0 < difference <= 1
    if n >= 6:
        assert mcnemar_exact(round(max(difference * n, 6)), 0) < 0.05


def test_nothing_smaller_can_be_shown_when_nothing_changes() -> None:
    assert smallest_difference(100, 0) == pytest.approx(0.06)
    with pytest.raises(ValueError, match="discordant"):
        smallest_difference(10, 11)
