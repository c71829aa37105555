"""Which keys are changed: those of audio tokens, as in the paper, of images or of videos."""

from __future__ import annotations

from collections.abc import Sequence

from mata_audio.errors import NoAudioError, SettingsError, SettingsTypeError
from mata_audio.notation.did_you_mean import did_you_mean

TOKENS = ("audio", "image", "video")
"""The kinds of tokens that a setting can name, in the order in which they are kept."""

_HOW = ", ".join(f'"{name}"' for name in TOKENS) + ', or several with commas, as in "audio,image"'


def read_tokens(tokens: object) -> str:
    """Return ``tokens`` with each name once, in the order of :data:`TOKENS`.

    Raises:
        SettingsError: a name is none of :data:`TOKENS`.
        SettingsTypeError: ``tokens`` is not a string.
    """
    if not isinstance(tokens, str):
        raise SettingsTypeError(f"tokens must be {_HOW}; got {tokens!r}")
    named = {part.strip() for part in tokens.split(",")}
    unknown = sorted(named - set(TOKENS))
    if unknown:
        hint = did_you_mean(unknown[0], TOKENS)
        raise SettingsError(f"tokens must be {_HOW}; got {tokens!r}{hint}")
    return ",".join(name for name in TOKENS if name in named)


def in_words(tokens: str) -> str:
    """Return the names of ``tokens`` as they stand in a sentence: ``audio or image``."""
    return " or ".join(tokens.split(","))


def no_audio_error(tokens: str, token_ids: Sequence[int], passes: int) -> NoAudioError:
    """Return the error for a model that ran and saw none of ``tokens``.

    Args:
        tokens: the kinds of tokens, as :func:`read_tokens` returns them.
        token_ids: their ids; empty if a mask says where they are.
        passes: number of forward passes that ran.
    """
    what = in_words(tokens)
    if not token_ids:
        return NoAudioError(
            f"the model ran ({passes} forward passes), but the mask of its prompts marks no "
            f"{what}, so nothing was changed. To allow prompts without {what}: "
            'MATA(..., on_no_audio="ignore")'
        )
    article = "a" if what.startswith("video") else "an"
    return NoAudioError(
        f"the model ran ({passes} forward passes) and never saw {article} {what} token (id "
        f"{' or '.join(map(str, token_ids))}) in input_ids, so nothing was changed. Give the "
        f"{what} to the processor, and everything that it returns to the model. To allow prompts "
        f'without {what}: MATA(..., on_no_audio="ignore")'
    )
