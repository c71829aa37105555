"""What a comparison could have shown: against enumeration and simulation."""

from __future__ import annotations

from math import comb

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mata_audio.evaluation.results.figures import pair
from mata_audio.evaluation.results.power import net_needed, power_sentence, smallest_difference
from mata_audio.evaluation.results.significance import mcnemar_exact


def significant(gained: int, lost: int) -> bool:
    """By enumeration, in whole numbers: 2 P(X >= the larger count) < 0.05."""
    n = gained + lost
    return 40 * sum(comb(n, k) for k in range(max(gained, lost), n + 1)) < 2**n


def power(n: int, share: float, difference: float) -> float:
    """The probability of significantly more gained than lost, by enumeration."""
    gaining, losing = (share + difference) / 2, (share - difference) / 2
    return sum(
        comb(n, g) * comb(n - g, k) * gaining**g * losing**k * (1 - share) ** (n - g - k)
        for g in range(n + 1)
        for k in range(min(g, n - g + 1))
        if k <= n - g and significant(g, k)
    )


@pytest.mark.parametrize("discordant", range(80))
def test_net_needed_by_trying_every_split(discordant: int) -> None:
    nets = [
        2 * gained - discordant
        for gained in range((discordant + 1) // 2, discordant + 1)
        if significant(gained, discordant - gained)
    ]
    assert net_needed(discordant) == (min(nets) if nets else None)


@given(st.integers(6, 5000))
def test_net_needed_is_where_p_turns(discordant: int) -> None:
    needed = net_needed(discordant)
    assert needed is not None
    gained = (discordant + needed) // 2
    assert mcnemar_exact(gained, discordant - gained) < 0.05
    assert mcnemar_exact(gained - 1, discordant - gained + 1) >= 0.05


@pytest.mark.parametrize(("n", "discordant"), [(10, 9), (20, 10), (30, 30), (40, 12), (60, 9)])
def test_smallest_difference_has_exactly_80_per_cent_power(n: int, discordant: int) -> None:
    difference = smallest_difference(n, discordant)
    assert difference is not None
    assert power(n, discordant / n, difference) == pytest.approx(0.8, abs=1e-6)


@pytest.mark.parametrize(("n", "discordant"), [(8, 5), (20, 7), (60, 7), (60, 3), (60, 0)])
def test_no_difference_where_even_one_sided_changes_have_less(n: int, discordant: int) -> None:
    assert smallest_difference(n, discordant) is None
    assert power(n, discordant / n, discordant / n) < 0.8


@given(st.integers(1, 2000).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, n))))
def test_smallest_difference_lies_within_what_changed(case: tuple[int, int]) -> None:
    n, discordant = case
    difference = smallest_difference(n, discordant)
    if discordant < 6:
        assert difference is None
    if difference is not None:
        assert 0 < difference <= discordant / n


def test_smallest_difference_at_the_usual_size() -> None:
    """About 2.9 points at n = 1,000 and 10 % discordance; simulated with seed 0."""
    difference = smallest_difference(1000, 100)
    assert difference is not None
    rng = np.random.default_rng(0)
    shares = [(0.1 + difference) / 2, (0.1 - difference) / 2, 0.9]
    draws = rng.multinomial(1000, shares, size=2000)[:, :2].tolist()
    shown = [gained > lost and mcnemar_exact(gained, lost) < 0.05 for gained, lost in draws]
    assert np.mean(shown) == pytest.approx(0.8, abs=0.03)
    assert difference == pytest.approx(0.029, abs=0.0005)


@pytest.mark.parametrize(("n", "discordant"), [(0, 0), (10, 11), (10, -1)])
def test_refuses_impossible_counts(n: int, discordant: int) -> None:
    with pytest.raises(ValueError, match="discordant"):
        smallest_difference(n, discordant)


def sentence(n: int, gained: int, lost: int = 0) -> str:
    same = [True] * (n - gained - lost)
    return power_sentence(
        pair([False] * gained + [True] * lost + same, [True] * gained + [False] * lost + same)
    )


def test_three_changed_answers_of_a_thousand_could_show_nothing() -> None:
    assert sentence(1000, 2, 1) == (
        "1,000 items, 3 changed answers: no difference could have been shown (p = 0.25 even if all "
        "of them go one way)."
    )
    assert sentence(1000, 0).endswith("0 changed answers: no difference could have been shown.")


def test_six_could_show_one_but_not_with_80_per_cent_power() -> None:
    assert sentence(1000, 6).endswith(
        "p < 0.05 takes a net change of 6 (0.6 points); no difference would show with 80 % power."
    )


def test_enough_changes_give_both_figures() -> None:
    assert sentence(1000, 60, 40) == (
        "1,000 items, 100 changed answers: p < 0.05 takes a net change of 22 (2.2 points); "
        "2.9 points is the smallest difference that would show with 80 % power."
    )
