"""What a comparison could have shown, given how many answers changed."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from mata_audio.evaluation.results.number_format import counted, p_value, percent
from mata_audio.evaluation.results.results import Paired
from mata_audio.evaluation.results.significance import SIGNIFICANT, mcnemar_exact

POWER = 0.8
NEGLIGIBLE = 1e-10
"""Probability of a number of changed answers that is left out of the sum, at either end."""


def net_needed(discordant: int) -> int | None:
    """Return the smallest net change for which the exact McNemar p is below 0.05.

    Args:
        discordant: number of items whose answer is right under one setting and wrong under the
            other; the net change is how many more went one way than the other.

    Returns:
        None if not even all of them going one way give p < 0.05: fewer than six.
    """
    needed = int(_critical(discordant))
    return None if needed > discordant else 2 * needed - discordant


@lru_cache(4096)  # takes milliseconds, and a sweep repeats the same counts
def smallest_difference(n: int, discordant: int) -> float | None:
    """Return the smallest true difference that n items show with 80 % power at the 5 % level.

    The power is exact: the probability that the exact McNemar test gives p < 0.05 in the direction
    of the difference, if each of ``n`` items changes with probability ``discordant / n``, summed
    over all numbers of changed items.

    Args:
        n: number of items.
        discordant: number of items whose answer is right under one setting and wrong under the
            other.

    Returns:
        The difference as a fraction. None if even changes that all go one way have less power.

    Raises:
        ValueError: not ``0 <= discordant <= n``, or no items.
    """
    if n < 1 or not 0 <= discordant <= n:
        raise ValueError(f"need 0 <= discordant <= n and n >= 1, got {discordant} of {n}")
    if net_needed(discordant) is None:
        return None
    import numpy as np
    from scipy.optimize import brentq
    from scipy.stats import binom

    share = discordant / n
    first, last = binom.ppf([NEGLIGIBLE, 1 - NEGLIGIBLE], n, share).astype(int)
    changed = np.arange(first, last + 1)
    weights, critical = binom.pmf(changed, n, share), _critical(changed)

    def missing(difference: float) -> float:
        gaining = (1 + difference / share) / 2
        return POWER - float(weights @ binom.sf(critical - 1, changed, gaining))

    return None if missing(share) > 0 else float(brentq(missing, 0.0, share))


def _critical(changed: Any) -> Any:
    """Return how many of the changed items must be gains for p < 0.05: P(X >= it) < 0.025."""
    from scipy.stats import binom

    return binom.isf(SIGNIFICANT / 2, changed, 0.5) + 1


def power_sentence(paired: Paired) -> str:
    """Say what a comparison with this many items and changed answers could have shown."""
    n, discordant = paired.n, paired.gained + paired.lost
    changed = f"{counted(n, 'item')}, {counted(discordant, 'changed answer')}"
    needed = net_needed(discordant)
    if needed is None:
        p = p_value(mcnemar_exact(discordant, 0))
        even = f" (p = {p} even if all of them go one way)" if discordant else ""
        return f"{changed}: no difference could have been shown{even}."
    detectable = (
        "no difference would show with 80 % power"
        if paired.smallest_difference is None
        else f"{percent(paired.smallest_difference)} points is the smallest difference that would "
        "show with 80 % power"
    )
    return (
        f"{changed}: p < {SIGNIFICANT} takes a net change of {needed:,} "
        f"({percent(needed / n)} points); {detectable}."
    )
