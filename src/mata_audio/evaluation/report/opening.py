"""What the demo's page shows before its results: what MATA is, and one question to listen to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, eq=False)
class Opening:
    """One question of the run in the listening view.

    Args:
        sentence: what it is an example of.
        view: from :func:`mata_audio.listening_view.listening_data`.
    """

    sentence: str
    view: Mapping[str, Any]
