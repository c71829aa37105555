"""Which keys a change of attention is for: by kind of token, by place, or a marked span."""

from __future__ import annotations

import re

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.notation.tokens import TOKENS

BY_TOKENIZER = ("text", "system", "instruction", "special")
"""Kinds that only a tokenizer can tell apart: words, of system messages or others, and the rest."""

BEFORE_AUDIO = "before-audio"

BY_PLACE = ("first", BEFORE_AUDIO)
"""Kinds by their place: the first token of the prompt, which much attention goes to; and all before
its first audio token (before the first of the method's tokens, whatever they are)."""

KEYS = (*TOKENS, *BY_TOKENIZER, *BY_PLACE)
"""The kinds of keys that need no mark, in the order in which they are kept."""

_SPAN = re.compile(r"[a-z][a-z0-9_-]{0,39}")


def read_keys(keys: object) -> str:
    """Return ``keys`` with each name once: kinds in the order of :data:`KEYS`, then spans.

    Raises:
        SettingsError: a name is neither a kind nor one that a span may have.
        SettingsTypeError: ``keys`` is not a string.
    """
    how = (
        f"keys must be out of {', '.join(KEYS)}, or the name of a span that is marked, such as "
        f'caption; several with commas, as in "text,special"; got {keys!r}'
    )
    if not isinstance(keys, str):
        raise SettingsTypeError(how)
    named = {part.strip() for part in keys.split(",")}
    spans = sorted(named - set(KEYS))
    wrong = [name for name in spans if not _SPAN.fullmatch(name)]
    if wrong:
        raise SettingsError(how + did_you_mean(wrong[0], KEYS))
    return ",".join([name for name in KEYS if name in named] + spans)
