"""One question about one clip as a self-contained page: answers, and where they listened."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mata_audio.evaluation.report.embedding import embedded_json
from mata_audio.evaluation.report.shell import filled

VIEW = "report.listening.js"
"""The script that puts the view into its place."""


def listening_page(data: Mapping[str, Any], model: str = "") -> str:
    """Return one HTML page with the listening view. It loads nothing, and works from a file.

    Args:
        data: from :func:`mata_audio.listening_view.listening_data`.
        model: the model's name, for the page's head.
    """
    return filled(
        "report.listening.html.j2",
        VIEW,
        listening=True,
        view=data,
        view_data=embedded_json(data),
        model=model,
    )
