"""The pictures of a finished run; a sweep has two more."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.evaluation.results.results import Results
from mata_audio.evaluation.sweep.sweep import Sweep, stored_sweep
from mata_audio.pictures.grid import has_grid
from mata_audio.pictures.groups import accuracy, gained_and_lost
from mata_audio.pictures.sweep import heatmap, ranking
from mata_audio.settings.named import BASELINE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "pictures"
"""A run's pictures are in this folder inside its own."""


def run_folder(run: Path) -> Path:
    """Return the folder of a run that may be given by its ``results.json``."""
    return run if run.is_dir() else run.parent


def pictures_of_run(results: Results, folder: Path) -> dict[str, Figure]:
    """Draw a run: those of its sweep, if it is one, then accuracy, and answers gained and lost.

    Args:
        results: the run's results.
        folder: the run's folder, which holds ``sweep.json`` if it is a sweep.

    Returns:
        The figures by file name.

    Raises:
        RunError: what is stored of its sweep does not fit it.
        DataError: none of its items was scored.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    compared = [setting.name for setting in results.settings if setting.name != BASELINE]
    swept = stored_sweep(results, folder)
    figures = _drawn(swept)
    if swept is not None and swept.ranking:
        # By group, only the best: all settings would be too many.
        compared = list(swept.ranking[:1])
        results = _marked(results, compared)
    figures["accuracy"] = accuracy(results, compared)
    if any(name in results.overall.paired for name in compared):
        figures["gained_and_lost"] = gained_and_lost(results, compared)
    return figures


def pictures_of_sweep(results: Results, folder: Path) -> dict[str, Figure]:
    """Draw heatmap and ranking of a run that is a sweep; nothing of any other.

    Arguments and errors are those of :func:`pictures_of_run`.
    """
    return _drawn(stored_sweep(results, folder))


def _drawn(swept: Sweep | None) -> dict[str, Figure]:
    if swept is None or not swept.ranking:
        return {}
    ranked = {"ranking": ranking(swept)}
    # Settings with gains by layer and head do not fit a grid of layers and alpha.
    return {"heatmap": heatmap(swept), **ranked} if has_grid(swept) else ranked


def _marked(results: Results, names: list[str]) -> Results:
    """Mark settings as chosen on these items, which a sweep's results do not say."""
    settings = (
        replace(setting, tuned_on_these_items=True) if setting.name in names else setting
        for setting in results.settings
    )
    return replace(results, settings=tuple(settings))
