"""The content of ``run.json`` and the settings, arranged for readers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_PLACES = {
    "task": ("facts", "title"),
    "split": ("identity", "split"),
    "version": ("facts", "data_version"),
    "model": ("identity", "model"),
}
"""Where ``run.json`` keeps the parts of the page's title."""


@dataclass(frozen=True)
class Fact:
    """A name with a text, or with nested facts.

    Args:
        style: ``"text"``, ``"code"`` for hashes and paths, ``"block"`` for texts of several lines.
    """

    name: str
    text: str = ""
    style: str = "text"
    facts: tuple[Fact, ...] = ()


def title_facts(run: Mapping[str, Any]) -> dict[str, str]:
    """Return task, split, version and model; ``""`` for what ``run`` lacks."""
    return {key: _text_at(run, path) for key, path in _PLACES.items()}


def _text_at(run: Mapping[str, Any], path: tuple[str, ...]) -> str:
    value: Any = run
    for key in path:
        if not isinstance(value, Mapping):
            return ""
        value = value.get(key)
    return value if isinstance(value, str) else ""


def run_facts(run: Mapping[str, Any]) -> tuple[Fact, ...]:
    """Return sections: one with the plain values, then one for each nested value."""
    plain, sections = [], []
    for key, value in run.items():
        fact = _fact(str(key), value)
        if fact.facts:
            sections.append(Fact(_spelled(fact.name), facts=fact.facts))
        else:
            plain.append(fact)
    return (*([Fact("General", facts=tuple(plain))] if plain else []), *sections)


def _spelled(key: str) -> str:
    words = key.replace("_", " ")
    return words[:1].upper() + words[1:]


def _fact(name: str, value: Any) -> Fact:
    if isinstance(value, Mapping) and value:
        return Fact(name, facts=tuple(_fact(str(key), inner) for key, inner in value.items()))
    if isinstance(value, Sequence) and not isinstance(value, str) and value:
        if not any(isinstance(inner, Mapping | list | tuple) for inner in value):
            return _leaf(name, _listed(value))
        return Fact(
            name, facts=tuple(_fact(str(number), inner) for number, inner in enumerate(value, 1))
        )
    return _leaf(name, _plain(value))


def _listed(values: Sequence[Any]) -> str:
    if len(values) > 2 and all(type(value) is int for value in values):
        steps = {after - before for before, after in pairwise(values)}
        if steps == {1}:
            return f"{values[0]}-{values[-1]}"
    return ", ".join(map(_plain, values))


def _plain(value: Any) -> str:
    if value is None or value == "" or (isinstance(value, Mapping | list | tuple) and not value):
        return "none"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return str(value)


def _leaf(name: str, text: str) -> Fact:
    if "\n" in text.strip():
        return Fact(name, text, "block")
    longest = max(map(len, text.split()), default=0)
    return Fact(name, text, "code" if longest > 24 else "text")
