"""The statistics against direct enumeration and direct resampling."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.statistics import mcnemar_exact, paired_bootstrap


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
