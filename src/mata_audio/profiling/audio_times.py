"""When each audio token of a prompt sounds."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mata_audio.errors import SettingsError
from mata_audio.families import Located

Floats = NDArray[np.float64]


def audio_times(
    located: Located, places: NDArray[np.int64], seconds: float | Sequence[float]
) -> tuple[NDArray[np.int64], Floats, Floats]:
    """Return each audio token's clip, from 0, and where in it the token starts and ends.

    A clip's audio tokens divide its duration evenly, including any silence that the family adds.

    Args:
        located: the model's parts.
        places: positions of the prompt's audio tokens.
        seconds: how much of the clip the model hears; one value per clip if there are several.

    Raises:
        SettingsError: seconds that do not fit the prompt's clips.
    """
    hearing = located.family.hearing
    clips = np.zeros(len(places), dtype=np.int64)
    if hearing.clips != 1:  # a single clip's tokens may have others between them (MOSS: times)
        clips[1:] = np.cumsum(np.diff(places) > 1)
    lengths: list[Any] = [seconds] if not isinstance(seconds, Sequence) else list(seconds)
    tokens = np.bincount(clips)
    if len(lengths) != len(tokens):
        raise SettingsError(
            f"seconds must have one entry for each of the prompt's {len(tokens)} clips (runs of "
            f"audio tokens); got {len(lengths)}"
        )
    if any(not isinstance(x, Real) or not 0 < float(x) < float("inf") for x in lengths):
        raise SettingsError(f"seconds must be finite and above 0; got {seconds!r}")
    covered = np.array(lengths, dtype=np.float64)
    if hearing.padded is not None:
        covered = np.ceil(covered / hearing.padded) * hearing.padded
    each = covered / tokens
    numbers = np.concatenate([np.arange(count) for count in tokens])
    return clips, numbers * each[clips], (numbers + 1) * each[clips]
