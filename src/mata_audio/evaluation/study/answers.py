"""Which items are right under which setting, and choosing a setting by that: pure functions."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.results import ItemResult
from mata_audio.evaluation.results.significance import SIGNIFICANT, mcnemar_exact
from mata_audio.settings.named import BASELINE


@dataclass(frozen=True)
class Counts:
    """Items scored with and without a setting, and how many of them it gained and lost."""

    n: int
    gained: int
    lost: int

    @property
    def loses(self) -> bool:
        """Whether more is lost than gained, and not by chance (p < 0.05)."""
        return self.lost > self.gained and mcnemar_exact(self.gained, self.lost) < SIGNIFICANT

    @property
    def share(self) -> float:
        """The difference, as a share of the items."""
        return (self.gained - self.lost) / self.n if self.n else 0.0


def counts(items: Iterable[ItemResult], setting: str) -> Counts:
    """Count what a setting gains and loses over items that are scored with and without it."""
    n = gained = lost = 0
    for item in items:
        pair = before_and_after(item, setting)
        if pair is not None:
            n += 1
            gained += pair[1] and not pair[0]
            lost += pair[0] and not pair[1]
    return Counts(n, gained, lost)


def before_and_after(item: ItemResult, setting: str) -> tuple[bool, bool] | None:
    """Return whether an item is right without and with a setting; None if one is not scored."""
    before, after = item.answers.get(BASELINE), item.answers.get(setting)
    if before is None or after is None or before.correct is None or after.correct is None:
        return None
    return bool(before.correct), bool(after.correct)


def best(items: Sequence[ItemResult], settings: Sequence[str], condition: str) -> str | None:
    """Return the setting that gains most over the items, of those that lose in no condition.

    To lose is to lose more than is gained, with p < 0.05. Of equal settings, the first counts.

    Args:
        items: the items to choose on, and nothing else.
        settings: names of the settings.
        condition: key of the grouping whose groups are the conditions; empty for none.

    Returns:
        None if none gains more than it loses.
    """
    allowed = [own for own in settings if not losing(items, own, condition)]
    gains = {own: counts(items, own).share for own in allowed}
    found = max(allowed, key=gains.__getitem__, default=None)
    return found if found is not None and gains[found] > 0 else None


def losing(items: Sequence[ItemResult], setting: str, condition: str) -> list[str]:
    """Return the conditions in which a setting loses."""
    return [
        group
        for group in groups_of(items, condition)
        if counts(members_of(items, condition, group), setting).loses
    ]


def members_of(items: Iterable[ItemResult], key: str, group: str) -> list[ItemResult]:
    """Return the items of a group."""
    return [item for item in items if item.groups.get(key) == group]


def outside(items: Iterable[ItemResult], key: str, group: str) -> list[ItemResult]:
    """Return the items of a grouping's other groups."""
    return [item for item in items if item.groups.get(key, group) != group]


def groups_of(items: Iterable[Item | ItemResult], key: str) -> list[str]:
    """Return the names of a grouping's groups, in the items' order."""
    return list(dict.fromkeys(item.groups[key] for item in items if key in item.groups))
