"""Studies: every method on one model, settings chosen on some items and reported on others."""

from mata_audio.evaluation.study.outcome import Study
from mata_audio.evaluation.study.study import study
from mata_audio.evaluation.study.study_file import load_study

__all__ = ["Study", "load_study", "study"]
