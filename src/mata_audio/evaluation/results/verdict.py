"""What a sweep found, in words."""

from __future__ import annotations

from collections.abc import Sequence

from mata_audio.evaluation.results.number_format import counted, equals_p, percent, points
from mata_audio.evaluation.results.power import smallest_difference
from mata_audio.evaluation.results.ranking import Sweep
from mata_audio.evaluation.results.results import Paired
from mata_audio.evaluation.results.significance import SIGNIFICANT


def verdict(sweep: Sweep) -> str:
    """Return the winner's result on the held-out items, or that nothing was found."""
    if sweep.winner is None:
        tried = list(sweep.tuning.paired.values())
        if not tried:
            return "No tuning item was scored with and without a setting: nothing can be chosen."
        return nothing_found(max(own.n for own in tried), [own.gained + own.lost for own in tried])
    found = sweep.confirmation
    if found is None:
        return (
            f"Whether {sweep.winner}, the best setting on the tuning items, helps is unknown: no "
            "held-out item was scored with and without it."
        )
    told = f"{points(found.difference)} points"
    told += f" (95 % interval {points(found.low)} to {points(found.high)}, p {equals_p(found.p)})"
    return (
        f"{sweep.winner}, the best setting on the tuning items, {_standing(found)} on "
        f"{counted(found.n, 'held-out item')}: {told}.{_consequence(found)}"
    )


def nothing_found(n: int, changed: Sequence[int] = ()) -> str:
    """Say that nothing was found, and what could not have been seen.

    Args:
        n: number of items that were searched.
        changed: how many answers each setting that was tried changed.
    """
    return f"Nothing was found with {counted(n, 'item')}; {_unseen(n, changed)}."


def _standing(found: Paired) -> str:
    if found.gained == found.lost:
        return "is no better than the baseline"
    if found.gained < found.lost:
        return "is worse than the baseline"
    reliably = "" if found.p < SIGNIFICANT else "not reliably "
    return f"is {reliably}better than the baseline"


def _consequence(found: Paired) -> str:
    """Return what follows: whether the difference may be chance, and whether to use the setting."""
    chance = "" if found.p < SIGNIFICANT else " That may be chance"
    if chance:
        chance += f": {_unseen(found.n, [found.gained + found.lost])}."
    return chance + ("" if found.gained > found.lost else " It is not recommended.")


def _unseen(n: int, changed: Sequence[int]) -> str:
    """Say which differences were too small to be seen, with as many changed answers.

    If nothing was tried, the best case counts: as few changed answers as can show anything, all
    going one way.
    """
    known = (smallest_difference(n, count) for count in changed or range(n + 1))
    seen = (own for own in known if own is not None)
    least = min(seen, default=None) if changed else next(seen, None)
    if least is not None:
        return f"differences below {percent(least)} points could not have been seen"
    most = max(changed, default=0)
    told = f"only {counted(most, 'answer')} changed" if most else "no answer changed"
    return f"no difference would have shown with 80 % power{f', as {told}' if changed else ''}"
