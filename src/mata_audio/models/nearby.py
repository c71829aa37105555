"""What was probably meant by a path that leads nowhere: the closest name in the same folder."""

from __future__ import annotations

from collections.abc import Callable
from itertools import islice
from pathlib import Path

from mata_audio.notation.did_you_mean import closest

MOST = 2_000
"""Entries of a folder that are compared, so that a huge folder costs no time."""


def did_you_mean_beside(path: Path, fits: Callable[[Path], bool]) -> str:
    """Return the ending of a message, such as ``' (did you mean "clips/rain.wav"?)'``, or ``""``.

    Names are compared without their suffixes, which would make ``a.wav`` like ``b.wav``.

    Args:
        path: what a user wrote.
        fits: whether an entry of its folder may be suggested.
    """
    try:
        there = [entry for entry in islice(path.parent.iterdir(), MOST) if fits(entry)]
    except OSError:
        return ""
    there.sort(key=lambda entry: (entry.suffix == path.suffix, entry.name))
    stems = {entry.stem: entry.name for entry in there}
    found = closest(path.stem, stems)
    return "" if found is None else f' (did you mean "{path.with_name(stems[found])}"?)'
