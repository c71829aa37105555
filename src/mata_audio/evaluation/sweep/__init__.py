"""Sweeps: many settings from one prefill, ranked on one part of the items, reported on the rest."""

from mata_audio.evaluation.results.ranking import Sweep
from mata_audio.evaluation.sweep.grid import PRESETS, grid, preset
from mata_audio.evaluation.sweep.sweep import sweep

__all__ = ["PRESETS", "Sweep", "grid", "preset", "sweep"]
