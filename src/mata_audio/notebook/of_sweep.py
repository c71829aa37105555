"""A sweep: what it found, its tables, and its settings as pictures."""

from __future__ import annotations

from functools import partial

from mata_audio.evaluation.results.ranking import Sweep
from mata_audio.notebook import markup, of_results
from mata_audio.pictures import heatmap, ranking
from mata_audio.pictures.grid import has_grid


def html(sweep: Sweep) -> str:
    """Return the winner on the held-out items, the ranking, and pictures of all settings."""
    made = of_results.text(sweep.results)
    if has_grid(sweep):
        made += markup.picture("heatmap", partial(heatmap, sweep))
    if sweep.ranking:
        made += markup.picture("ranking", partial(ranking, sweep))
    return made
