"""Which keys are changed: those of audio tokens (the paper's), of images, of videos, or more."""

from __future__ import annotations

from collections.abc import Sequence

from mata_audio.errors import NoAudioError, SettingsError, SettingsTypeError

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


def never_seen(tokens: str, token_ids: Sequence[int], passes: int) -> NoAudioError:
    """Return the error of a model that ran and saw none of ``tokens``.

    Without ``token_ids`` it was a mask that said where they are.
    """
    what = in_words(tokens)
    if not token_ids:
        return NoAudioError(
            f"the model ran ({passes} forward passes), and the mask of its prompts says that they "
            f"hold no {what}, so nothing was changed. To allow that: "
            'MATA(..., on_no_audio="ignore")'
        )
    article = "a" if what.startswith("video") else "an"
    return NoAudioError(
        f"the model ran ({passes} forward passes) and never saw {article} {what} token (id "
        f"{' or '.join(map(str, token_ids))}) in input_ids, so nothing was changed. "
        f"Was the {what} given to the processor, and the processor's whole output to the "
        f'model? To allow prompts without {what}: MATA(..., on_no_audio="ignore")'
    )
