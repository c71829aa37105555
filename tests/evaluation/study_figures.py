"""A study's figures, computed again from the answers on disk, by other code."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from scipy.stats import binomtest

from mata_audio.tiny import make_items

Right = Callable[[str, str], bool]
"""Whether an answer to an item, by its id, is right."""
Pairs = list[tuple[bool, bool]]
"""Right without and with a setting, for each item."""


@cache
def of_tiny(split: str) -> dict[str, Any]:
    """Return the benchmark's items by id."""
    return {item.id: item for item in make_items(split)}


def tiny_right(split: str) -> Right:
    """Return the benchmark's own rule: the answer's text."""
    answers = {id: item.answer for id, item in of_tiny(split).items()}
    return lambda id, raw: raw.strip().rstrip(".").strip().casefold() == answers[id].casefold()


def answers_of(run: Path) -> dict[str, dict[str, str]]:
    """Return the raw answers of a run by item and setting."""
    lines = map(json.loads, (run / "items.jsonl").read_text(encoding="utf-8").splitlines())
    return {line["id"]: line["answers"] for line in lines}


def pairs(
    answers: Mapping[str, Mapping[str, str]], right: Right, setting: str, ids: Sequence[str]
) -> Pairs:
    """Return what a setting does to these items."""
    return [(right(id, answers[id]["baseline"]), right(id, answers[id][setting])) for id in ids]


def counted(found: Pairs) -> tuple[int, int, int]:
    """Return items, gained and lost."""
    return (
        len(found),
        sum(after > before for before, after in found),
        sum(after < before for before, after in found),
    )


def p_of(gained: int, lost: int) -> float:
    """Return the exact McNemar p."""
    return float(binomtest(gained, gained + lost).pvalue) if gained + lost else 1.0


def best_of(
    settings: Sequence[str],
    at: Callable[[str, Sequence[str]], Pairs],
    ids: Sequence[str],
    conditions: Mapping[str, str],
) -> str | None:
    """Return the setting that gains most, of those that lose nowhere; the first of equal ones.

    Args:
        settings: their names.
        at: what a setting does to items.
        ids: the items to choose on.
        conditions: each item's condition.
    """
    found, most = None, 0
    for setting in settings:
        _, gained, lost = counted(at(setting, ids))
        loses = False
        for condition in {conditions[id] for id in ids}:
            own = [id for id in ids if conditions[id] == condition]
            _, up, down = counted(at(setting, own))
            loses |= down > up and p_of(up, down) < 0.05
        if not loses and gained - lost > most:
            found, most = setting, gained - lost
    return found


def holm(values: Mapping[Any, float]) -> dict[Any, float]:
    """Return Holm's adjusted p values: the largest of what each smaller one is multiplied to."""
    ranked = sorted(values, key=values.__getitem__)
    each = [min(1.0, (len(ranked) - rank) * values[name]) for rank, name in enumerate(ranked)]
    return {name: max(each[: rank + 1]) for rank, name in enumerate(ranked)}
