"""Choosing layers by measurement: where a model reads audio, and where more attention helps."""

from mata_audio.evaluation.choosing.choose import WAYS, Choice, choose
from mata_audio.evaluation.choosing.evidence import Evidence
from mata_audio.evaluation.choosing.fitting import Fitting, Kind

__all__ = ["WAYS", "Choice", "Evidence", "Fitting", "Kind", "choose"]
