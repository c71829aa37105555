"""What a request asks for: its own setting, and nothing that would be ignored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.methods import Method
from mata_audio.methods.method import listed, method_from

FIELD = "mata"
"""The field of a request and of an answer that the protocol does not have."""

_ANSWERED = (
    "model",
    "messages",
    "stream",
    "stream_options",  # figures of usage come with the last chunk in any case
    "max_tokens",
    "max_completion_tokens",
    "temperature",
    "top_p",
    "frequency_penalty",
    "stop",
    "seed",
    "user",
    "metadata",
    FIELD,
)
"""Fields of a request that are heeded, or that could change no answer."""

_NEUTRAL: Mapping[str, Any] = {
    "n": 1,
    "logprobs": False,
    "presence_penalty": 0,
    "response_format": {"type": "text"},
    "modalities": ["text"],
}
"""Values of other fields that ask for what happens anyway."""


def method_of(given: object, default: Method) -> Method | None:
    """Return the method that a request is answered with; None for the unmodified model.

    Args:
        given: the request's ``mata``: ``{"off": true}``; fields of the server's method, which
            replace its own; or ``method`` and the fields of another. None for the server's.
        default: the server's.

    Raises:
        SettingsError: an unknown method or field, or a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    if given is None:
        return default
    if not isinstance(given, dict):
        raise SettingsTypeError(
            f'{FIELD} must be an object, such as {{"alpha": 0.2}} or {{"off": true}}; got {given!r}'
        )
    off = given.get("off", False)
    if not isinstance(off, bool):
        raise SettingsTypeError(f"{FIELD}: off must be true or false; got {off!r}")
    fields = {name: value for name, value in given.items() if name != "off"}
    if off:
        if fields:
            raise SettingsError(f"{FIELD}: off goes with no other field; got {listed(fields)}")
        return None
    if fields.get("method", default.name) != default.name:
        return method_from(fields, FIELD)
    own = default.as_data()
    if own.get("gains") is not None and fields.keys() & {"layers", "heads"}:
        own = {name: value for name, value in own.items() if name not in ("gains", "alpha")}
    return method_from({**own, **fields}, FIELD)


def check_fields(body: Mapping[str, Any]) -> None:
    """Check that a request asks for nothing that would be ignored.

    Raises:
        SettingsError: it does.
    """
    for name, value in body.items():
        if name in _ANSWERED or value is None or _NEUTRAL.get(name) == value:
            continue
        raise SettingsError(
            f"this server does not support {name}={value!r}: leave it out. It heeds "
            f"{', '.join(_ANSWERED)}"
        )
