"""Pictures of results, sweeps and attention profiles, as Matplotlib figures.

Matplotlib is imported when the first picture is drawn: ``pip install 'mata-audio[pictures]'``.
"""

from mata_audio.pictures.attention import layer_head_map, mass_by_layer
from mata_audio.pictures.groups import accuracy, gained_and_lost
from mata_audio.pictures.of_run import PICTURES, pictures_of_run
from mata_audio.pictures.style import MissingMatplotlibError, content, require_matplotlib, save
from mata_audio.pictures.sweep import heatmap, ranking
from mata_audio.pictures.timeline import attention_lines, listening
from mata_audio.pictures.words import words

__all__ = [
    "PICTURES",
    "MissingMatplotlibError",
    "accuracy",
    "attention_lines",
    "content",
    "gained_and_lost",
    "heatmap",
    "layer_head_map",
    "listening",
    "mass_by_layer",
    "pictures_of_run",
    "ranking",
    "require_matplotlib",
    "save",
    "words",
]
