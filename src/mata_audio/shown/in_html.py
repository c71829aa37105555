"""What a notebook shows of an object: HTML, made by whoever can draw."""

from __future__ import annotations

from collections.abc import Callable

_makers: list[Callable[[object], str]] = []


class InHtml:
    """Base of what a notebook shows as a table and a picture.

    Tables and pictures need folders that lie above the objects. So the package itself says, with
    :func:`made_by`, who makes them.
    """

    def _repr_html_(self) -> str | None:
        return _makers[-1](self) if _makers else None


def made_by(maker: Callable[[object], str]) -> None:
    """Let ``maker`` make the HTML of every object that notebooks show."""
    _makers[:] = [maker]
