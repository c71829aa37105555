"""Which keys are changed: those of audio tokens (the paper's), of images, of videos, or more."""

from __future__ import annotations

from mata_audio.errors import SettingsError, SettingsTypeError

TOKENS = ("audio", "image", "video")
"""What a setting can name, in the order in which it is written down."""

_HOW = ", ".join(f'"{name}"' for name in TOKENS) + ', or several with commas, as in "audio,image"'


def read_tokens(tokens: object) -> str:
    """Return ``tokens`` as it is kept: each name once, in the order of :data:`TOKENS`.

    Raises:
        SettingsError: a name that is none of :data:`TOKENS`.
        SettingsTypeError: not a string.
    """
    if not isinstance(tokens, str):
        raise SettingsTypeError(f"tokens must be {_HOW}; got {tokens!r}")
    named = {part.strip() for part in tokens.split(",")}
    if not named <= set(TOKENS):
        raise SettingsError(f"tokens must be {_HOW}; got {tokens!r}")
    return ",".join(name for name in TOKENS if name in named)


def in_words(tokens: str) -> str:
    """Return what the tokens are for a sentence: ``audio``, or ``audio or image``."""
    return " or ".join(tokens.split(","))
