"""The interval of a paired difference: against a plain computation, its coverage, its ends."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.special import gammaln, xlogy

from mata_audio.evaluation.results.significance import difference_interval, mcnemar_exact

Z = 1.959964


@st.composite
def tables(draw: st.DrawFn, largest: int = 3000) -> tuple[int, int, int]:
    """Gained, lost and the number of items."""
    n = draw(st.integers(1, largest))
    gained = draw(st.integers(0, n))
    return gained, draw(st.integers(0, n - gained)), n


def score(gained: int, lost: int, n: int, difference: float, correction: float) -> float:
    """The score statistic, with the lost share found by maximising the likelihood numerically."""

    def unlikely(lost_share: float) -> float:
        same = 1 - 2 * lost_share - difference
        likelihood = xlogy(gained, lost_share + difference) + xlogy(lost, lost_share)
        return -float(likelihood + xlogy(n - gained - lost, same))

    bounds = (max(0.0, -difference), (1 - difference) / 2)
    found = minimize_scalar(unlikely, bounds=bounds, method="bounded", options={"xatol": 1e-12})
    lost_share = min((found.x, *bounds), key=unlikely)
    net = gained - lost - n * difference
    corrected = math.copysign(max(0.0, abs(net) - correction), net)
    variance = n * (2 * lost_share + difference - difference**2)
    return corrected / math.sqrt(variance) if corrected else 0.0


def scanned(gained: int, lost: int, n: int, correction: float) -> tuple[float, float]:
    """The first and last difference, on a grid, that the score test does not reject."""
    grid = np.linspace(-1, 1, 4001)[1:-1]
    kept = [d for d in grid if abs(score(gained, lost, n, d, correction)) <= Z]
    return kept[0], kept[-1]


@pytest.mark.parametrize(
    ("gained", "lost", "n", "published"),
    [(40, 20, 160, (0.0309, 0.2181)), (1, 7, 21, (-0.517, -0.026))],
)
def test_the_plain_computation_gives_tangos_published_intervals(
    gained: int, lost: int, n: int, published: tuple[float, float]
) -> None:
    """Without the correction. PropCIs' example; Fagerland et al. 2014, airway reactivity."""
    assert scanned(gained, lost, n, 0.0) == pytest.approx(published, abs=6e-4)


@pytest.mark.parametrize(
    ("gained", "lost", "n"),
    [(0, 0, 50), (5, 0, 100), (0, 6, 100), (3, 3, 20), (40, 20, 160), (7, 1, 21), (17, 0, 20)],
)
def test_against_the_plain_computation(gained: int, lost: int, n: int) -> None:
    expected = scanned(gained, lost, n, 1.0)
    assert difference_interval(gained, lost, n) == pytest.approx(expected, abs=6e-4)


@given(tables())
def test_excludes_zero_exactly_where_p_is_below_five_per_cent(table: tuple[int, int, int]) -> None:
    gained, lost, _ = table
    low, high = difference_interval(*table)
    assert (low < 0 < high) == (mcnemar_exact(gained, lost) >= 0.05)


@pytest.mark.parametrize(
    ("gained", "lost"), [(5, 0), (13, 4), (29, 15), (42, 25), (57, 37), (11, 3), (16, 6), (22, 10)]
)
def test_zero_at_the_counts_where_a_normal_approximation_misses(gained: int, lost: int) -> None:
    low, _ = difference_interval(gained, lost, 1000)
    assert (low < 0) == (mcnemar_exact(gained, lost) >= 0.05)


@given(tables())
def test_holds_the_observed_difference_and_mirrors(table: tuple[int, int, int]) -> None:
    gained, lost, n = table
    low, high = difference_interval(gained, lost, n)
    assert -1 <= low <= (gained - lost) / n <= high <= 1
    assert low < high
    assert difference_interval(lost, gained, n) == (-high, -low)


def test_no_changed_answer_does_not_mean_certainty() -> None:
    low, high = difference_interval(0, 0, 100)
    assert low == -high
    assert 0.03 < high < 0.06  # about 3.7 to 5.4 points; Wilson's interval of 0 of 100 ends at 3.7


def coverage(n: int, gaining: float, losing: float) -> float:
    """The exact probability that the interval holds the true difference."""
    total = 0.0
    for gained in range(n + 1):
        for lost in range(n + 1 - gained):
            same = n - gained - lost
            log = gammaln(n + 1) - gammaln(gained + 1) - gammaln(lost + 1) - gammaln(same + 1)
            log += xlogy(gained, gaining) + xlogy(lost, losing)
            log += xlogy(same, 1 - gaining - losing)
            low, high = difference_interval(gained, lost, n)
            total += math.exp(log) * (low <= gaining - losing <= high)
    return total


@pytest.mark.parametrize("n", [10, 30])
@pytest.mark.parametrize(
    ("gaining", "losing"),
    [(0.0, 0.0), (0.01, 0.0), (0.02, 0.01), (0.05, 0.0), (0.1, 0.1), (0.2, 0.05), (0.5, 0.3)],
)
def test_exact_coverage_at_the_edge(n: int, gaining: float, losing: float) -> None:
    assert coverage(n, gaining, losing) >= 0.95


@pytest.mark.parametrize(
    ("gaining", "losing"), [(0.003, 0.0), (0.005, 0.003), (0.03, 0.01), (0.15, 0.05)]
)
def test_simulated_coverage(gaining: float, losing: float) -> None:
    """Seed 0, 2,000 runs over 1,000 items. The standard error at 95 % is 0.5 points."""
    rng = np.random.default_rng(0)
    counts = rng.multinomial(1000, [gaining, losing, 1 - gaining - losing], size=2000)
    held = 0
    for gained, lost, _ in counts.tolist():
        low, high = difference_interval(gained, lost, 1000)
        held += low <= gaining - losing <= high
    assert held / 2000 >= 0.95
    assert held / 2000 <= 0.999 or gaining + losing < 0.01


@pytest.mark.parametrize("counts", [(0, 0, 0), (-1, 0, 5), (0, -1, 5), (3, 3, 5)])
def test_refuses_impossible_counts(counts: tuple[int, int, int]) -> None:
    with pytest.raises(ValueError, match=r"gained \+ lost <= n"):
        difference_interval(*counts)
