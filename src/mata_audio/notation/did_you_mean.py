"""What was probably meant by a name that does not exist: the closest one that does."""

from __future__ import annotations

import difflib
from collections.abc import Iterable

CLOSE = 0.6
"""Least similarity of a suggestion, of 1: a letter or two of a word may be wrong."""


def closest(given: str, known: Iterable[str]) -> str | None:
    """Return the known name that is most like ``given``; None if none is like it.

    Case and leading dashes do not count: they would make ``--my`` like ``--by``. A name of the same
    letters is like it whatever their order, and of names that are equally like it, it is meant:
    ``mmua`` is ``mmau``, not ``mmsu``.
    """
    wanted = _bare(given)
    matcher = difflib.SequenceMatcher(b=wanted)
    best, found = (CLOSE, False), None
    for name in known:
        bare = _bare(name)
        matcher.set_seq1(bare)
        swapped = len(bare) > 2 and sorted(bare) == sorted(wanted)
        likeness = (max(matcher.ratio(), CLOSE if swapped else 0), swapped)
        if likeness > best or (found is None and likeness == best):
            best, found = likeness, name
    return found


def did_you_mean(given: object, known: Iterable[str]) -> str:
    """Return the ending of a message, such as ``' (did you mean "mass"?)'``; ``""`` without one.

    Args:
        given: what a user wrote.
        known: what may be written.
    """
    found = closest(given, known) if isinstance(given, str) else None
    return "" if found in (None, given) else f' (did you mean "{found}"?)'


def _bare(name: str) -> str:
    return name.lstrip("-").casefold()
