"""Attention profiles: where the last token looks, by layer, head and kind of token."""

from mata_audio.profiling.attention_profile import profile
from mata_audio.profiling.result import Attention, Profile
from mata_audio.profiling.timeline import Timeline, timeline

__all__ = ["Attention", "Profile", "Timeline", "profile", "timeline"]
