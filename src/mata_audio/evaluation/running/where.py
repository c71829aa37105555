"""Choosing the items of a run by their groups, such as only two of three domains."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from mata_audio.errors import SettingsError
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.notation.did_you_mean import did_you_mean

Where = Mapping[str, Sequence[str]]
"""Values that are wanted, by key of grouping."""


def items_where(dataset: Dataset, items: Sequence[Item], where: Where) -> tuple[Item, ...]:
    """Return the items whose group is one of the values, for every key.

    Raises:
        SettingsError: no item of the dataset has such a group, or no item has all of them.
    """
    for key, values in where.items():
        check_groups(dataset, key, values)
    chosen = tuple(
        item
        for item in items
        if all(item.groups.get(key) in values for key, values in where.items())
    )
    if not chosen:
        raise SettingsError(
            f"no item is in all of these groups: {in_words(where)}. Ask for less at once"
        )
    return chosen


def check_groups(dataset: Dataset, key: str, values: Sequence[str]) -> None:
    """Check that items have these groups.

    Raises:
        SettingsError: there is no such grouping, or none of its groups has this name.
    """
    known = dict.fromkeys(key for item in dataset.items for key in item.groups)
    if key not in known:
        hint = did_you_mean(key, known)
        raise SettingsError(
            f"{dataset.task} {dataset.split} has no grouping {key!r}{hint}; allowed: "
            f"{', '.join(map(repr, known)) or 'none'}"
        )
    groups = sorted({item.groups[key] for item in dataset.items if key in item.groups})
    for value in values:
        if value not in groups:
            hint = did_you_mean(value, groups)
            raise SettingsError(
                f"{dataset.task} {dataset.split} has no {key} {value!r}{hint}; allowed: "
                f"{', '.join(map(repr, groups))}"
            )


def read_where(texts: Sequence[str]) -> dict[str, list[str]]:
    """Read texts such as ``task=sound,music``; values of the same key are put together.

    Raises:
        SettingsError: a text has no key or no value.
    """
    found: dict[str, list[str]] = {}
    for text in texts:
        key, _, listed = text.partition("=")
        values = [value.strip() for value in listed.split(",") if value.strip()]
        if not key.strip() or not values:
            raise SettingsError(
                f"cannot read the groups {text!r}: write KEY=VALUE,VALUE, as in task=sound,music"
            )
        found.setdefault(key.strip(), []).extend(values)
    return found


def in_words(where: Where) -> str:
    """Return groups as they are written: ``task=sound,music``."""
    return " and ".join(f"{key}={','.join(values)}" for key, values in where.items())
