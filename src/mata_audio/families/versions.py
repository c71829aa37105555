"""What differs between the supported versions of Transformers; no other file knows."""

from __future__ import annotations

OLDEST, NEWEST = "5.17.0", "5.23.0"
"""``make test-versions`` tests these two; versions between them are assumed to work."""

THINKER_DECODERS = ("model.language_model", "model")
"""Where the text decoder of an Omni thinker is, newest layout first."""

ROPE_DELTAS = ("model.rope_deltas", "rope_deltas")
"""Where a thinker keeps the offset of each sample's positions to its slots, newest first."""


def gemma4_lists_frames() -> bool:
    """Whether Gemma 4 takes all videos' frames in one list, instead of one entry a video."""
    import inspect

    from transformers import Gemma4Model

    return "num_frames_per_video" in inspect.signature(Gemma4Model.get_video_features).parameters


def has_class(name: str) -> bool:
    """Whether the installed Transformers has a model class: some are newer than :data:`OLDEST`."""
    import transformers

    return hasattr(transformers, name)
