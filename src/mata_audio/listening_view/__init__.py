"""The listening view: a clip, answers about it and where each word listened, for any page."""

from mata_audio.listening_view.assets import script, style
from mata_audio.listening_view.data import answer_data, clip_data, listening_data

__all__ = ["answer_data", "clip_data", "listening_data", "script", "style"]
