"""What an answer says of the setting that it was given under, as JSON data."""

from __future__ import annotations

from typing import Any

from mata_audio.methods.method import Method
from mata_audio.settings.in_words import short_name
from mata_audio.steering.receipt import Receipt


def account(method: Method | None, receipt: Receipt | None) -> dict[str, Any]:
    """Return what was done to the model, in short; ``{"off": True}`` for the unmodified model.

    Args:
        method: None for the unmodified model.
        receipt: of the answer or answers; None if there is none yet.
    """
    if method is None or receipt is None:
        return {"off": True}
    return {
        "setting": short_name(method),
        "layers": list(receipt.layers),
        "audio_tokens": sum(receipt.audio_tokens),
        "active_rows": receipt.active_rows,
        "audio_mass": receipt.mass_before,
        "audio_mass_steered": receipt.mass_after,
        "negative_share": receipt.negative_share,
    }
