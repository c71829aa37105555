"""What differs between the versions of Transformers that are supported: the only place for it."""

from __future__ import annotations

OLDEST, NEWEST = "5.17.0", "5.23.0"
"""Tested with ``make test-versions``; those between are taken to work."""

THINKER_DECODERS = ("model.language_model", "model")
"""Where the text decoder of an Omni thinker is, newest layout first."""

ROPE_DELTAS = ("model.rope_deltas", "rope_deltas")
"""Where a thinker keeps how far each sample's positions are from its slots, newest first."""


def gemma4_lists_frames() -> bool:
    """Whether Gemma 4 takes the frames of all videos in one list; else videos with their frames."""
    import inspect

    from transformers import Gemma4Model

    return "num_frames_per_video" in inspect.signature(Gemma4Model.get_video_features).parameters


def has_class(name: str) -> bool:
    """Whether the installed Transformers has a model class; some came after :data:`OLDEST`."""
    import transformers

    return hasattr(transformers, name)
