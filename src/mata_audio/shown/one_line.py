"""One short line for every object that a session prints."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, Field, fields
from numbers import Integral, Real
from pathlib import PurePath
from typing import Any

MOST = 180
"""Characters of a line, at most."""
_MOST_OF_ONE = 60
_MOST_VALUES = 8


class OneLine:
    """Base of dataclasses whose ``repr`` is one short line.

    Fields at their defaults are left out, and numbers have four digits. What is long, or cannot be
    written as Python, is described in angle brackets.
    """

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if "__repr__" not in vars(cls):  # else @dataclass writes one of its own
            setattr(cls, "__repr__", cls.__repr__)  # noqa: B010  # mypy allows no assignment

    def __repr__(self) -> str:
        own = sorted(fields(self), key=lambda own: bool(own.kw_only))  # type: ignore[arg-type]
        given = ((one.name, getattr(self, one.name)) for one in own if one.repr and self._says(one))
        return call(type(self).__name__, [f"{name}={self._told(name, at)}" for name, at in given])

    def _says(self, own: Field[Any]) -> bool:
        """Whether a field differs from its default."""
        value = getattr(self, own.name)
        default = own.default if own.default_factory is MISSING else own.default_factory()
        return _is_array(value) or type(value) is not type(default) or value != default

    def _told(self, name: str, value: Any) -> str:
        """Return a field's value as the line has it."""
        return told(value)


def call(name: str, arguments: Iterable[str]) -> str:
    """Return ``name(...)`` with as many arguments as fit; the rest are three dots."""
    shown: list[str] = []
    for argument in arguments:
        if len(name) + sum(len(one) + 2 for one in [*shown, argument]) > MOST:
            shown.append("...")
            break
        shown.append(argument)
    return f"{name}({', '.join(shown)})"


def described(text: str) -> str:
    """Return a description in angle brackets, on one line and no longer than :data:`MOST`."""
    return f"<{short(text, MOST - 2)}>"


def short(text: str, most: int = _MOST_OF_ONE) -> str:
    """Return text on one line, without control characters; a long one ends in three dots."""
    line = "".join(letter if letter.isprintable() else " " for letter in text[: 4 * most])
    line = " ".join(line.split())
    return line if len(line) <= most and len(text) <= 4 * most else line[: most - 3] + "..."


def named(names: Iterable[str]) -> str:
    """Return names with commas between them; of many, how many there are."""
    given = list(names)
    if len(given) > 4:
        return f"{short(given[0], 24)} and {len(given) - 1:,} others"
    return ", ".join(short(name, 24) for name in given)


def told(value: Any) -> str:
    """Return a value as Python writes it if that is short, else what it is."""
    if value is None or isinstance(value, bool):
        return repr(value)
    if isinstance(value, Integral):
        return str(int(value))
    if isinstance(value, str):
        most = _MOST_OF_ONE
        return repr(value if len(value) <= most else value[: most - 3] + "...")
    if isinstance(value, Real):
        return f"{float(value):.4g}"
    if isinstance(value, PurePath):
        return repr(str(value))
    if _is_array(value):
        size = " x ".join(map(str, value.shape)) or "one"
        return f"<{size} {str(value.dtype).removeprefix('torch.')}>"
    if isinstance(value, Mapping):
        return _within(
            value, "{}", [f"{told(key)}: {told(one)}" for key, one in _first(value.items())]
        )
    if isinstance(value, tuple | list):
        comma = "," if isinstance(value, tuple) and len(value) == 1 else ""
        brackets = "[]" if isinstance(value, list) else "()"
        return _within(value, brackets, list(map(told, _first(value))), comma)
    if isinstance(value, OneLine) and len(repr(value)) <= _MOST_OF_ONE:
        return repr(value)
    return f"<{getattr(value, '__name__', type(value).__name__)}>"


def _within(value: Any, brackets: str, parts: list[str], comma: str = "") -> str:
    text = brackets[0] + ", ".join(parts) + comma + brackets[1]
    fits = len(value) <= _MOST_VALUES and len(text) <= _MOST_OF_ONE
    return text if fits else f"<{len(value):,} value{'' if len(value) == 1 else 's'}>"


def _first(values: Iterable[Any]) -> list[Any]:
    return [value for value, _ in zip(values, range(_MOST_VALUES), strict=False)]


def _is_array(value: Any) -> bool:
    return hasattr(value, "shape") and hasattr(value, "dtype") and value.shape != ()
