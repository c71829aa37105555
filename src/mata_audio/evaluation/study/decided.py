"""What is decided on the choosing items: for each contender a setting, and one without each group.

Everything here is a pure function of the choosing run's results. The reporting run comes after it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from mata_audio.evaluation.results.results import ItemResult
from mata_audio.evaluation.study.answers import best, groups_of, outside


@dataclass(frozen=True)
class Decided:
    """The setting chosen for a contender, by the names of the choosing run.

    Args:
        name: chosen on all choosing items; None if none gains.
        without: by grouping and group, chosen on the items that are not of the group.
    """

    name: str | None
    without: Mapping[str, Mapping[str, str | None]] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """Every setting that it needs, each once."""
        chosen = [
            self.name,
            *(own for by_group in self.without.values() for own in by_group.values()),
        ]
        return list(dict.fromkeys(own for own in chosen if own is not None))


def decide(
    items: Sequence[ItemResult],
    candidates: Sequence[str],
    condition: str,
    left_out: Sequence[str],
) -> Decided:
    """Choose one of a contender's settings, and one without each group.

    Args:
        items: the choosing items.
        candidates: names of the contender's settings.
        condition: key of the grouping in whose groups nothing may be lost.
        left_out: keys of the groupings whose groups are left out in turn.
    """
    return Decided(
        best(items, candidates, condition),
        {
            key: {
                group: best(outside(items, key, group), candidates, condition)
                for group in groups_of(items, key)
            }
            for key in left_out
        },
    )
