"""The pictures of a finished run. To add one, write its function and a row of ``PICTURES``."""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.evaluation.results.ranking import Sweep, sweep_of
from mata_audio.evaluation.results.results import Results
from mata_audio.pictures.grid import has_grid
from mata_audio.pictures.groups import accuracy, gained_and_lost
from mata_audio.pictures.sweep import heatmap, ranking
from mata_audio.settings.colours import Places, places_of
from mata_audio.settings.named import BASELINE

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FOLDER = "pictures"
"""A run's pictures are in this folder inside its own."""


@dataclass(frozen=True)
class DrawnRun:
    """A run as its pictures show it.

    Args:
        results: the run's results; of a sweep, only the winner's, on the held-out items.
        compared: settings to show by group besides the baseline.
        sweep: the run's sweep, if it is one and ranks any setting.
    """

    results: Results
    compared: list[str]
    sweep: Sweep | None

    @property
    def places(self) -> Places:
        """The place of each setting in the run, of a sweep also of those that lost."""
        every = self.results if self.sweep is None else self.sweep.results
        return places_of(setting.name for setting in every.settings)


def _heatmap(run: DrawnRun) -> Figure | None:
    # Settings with gains by layer and head do not fit a grid of layers and alpha.
    return heatmap(run.sweep) if run.sweep is not None and has_grid(run.sweep) else None


def _ranking(run: DrawnRun) -> Figure | None:
    return None if run.sweep is None else ranking(run.sweep)


def _accuracy(run: DrawnRun) -> Figure | None:
    return accuracy(run.results, run.compared, run.places)


def _gained_and_lost(run: DrawnRun) -> Figure | None:
    paired = any(name in run.results.overall.paired for name in run.compared)
    return gained_and_lost(run.results, run.compared, run.places) if paired else None


PICTURES: dict[str, Callable[[DrawnRun], Figure | None]] = {
    "heatmap": _heatmap,
    "ranking": _ranking,
    "accuracy": _accuracy,
    "gained_and_lost": _gained_and_lost,
}
"""By file name: draws a run, or returns None if the run has nothing of the kind."""


def run_folder(run: Path) -> Path:
    """Return the folder of a run that may be given by its ``results.json``."""
    return run if run.is_dir() else run.parent


def pictures_of_run(results: Results, without: Collection[str] = ()) -> dict[str, Figure]:
    """Draw a run.

    Args:
        results: the run's results.
        without: keys of :data:`PICTURES` that are not drawn.

    Returns:
        The figures by file name, in the order of :data:`PICTURES`.

    Raises:
        DataError: none of its items was scored.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    run = _drawn_run(results)
    drawn = {name: draw(run) for name, draw in PICTURES.items() if name not in without}
    return {name: figure for name, figure in drawn.items() if figure is not None}


def _drawn_run(results: Results) -> DrawnRun:
    sweep = sweep_of(results)
    shown = results if sweep is None else sweep.reported
    compared = [setting.name for setting in shown.settings if setting.name != BASELINE]
    return DrawnRun(shown, compared, sweep if sweep is not None and sweep.ranking else None)
