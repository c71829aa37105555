"""What a harness hands to a model: how to load it, and the words of a setting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.methods import MATA, Method
from mata_audio.methods.method import method_named
from mata_audio.settings.from_words import field_names, method_from_words

LOADING = ("device", "dtype", "attn_implementation", "trust_remote_code")
"""Arguments that :func:`mata_audio.models.loading.load` takes."""

LONG_AUDIO = ("cut", "fail")
"""What may happen to clips that are too long for a model."""


@dataclass(frozen=True)
class Arguments:
    """The arguments of a model.

    Args:
        method: None for the unmodified model.
        loading: keyword arguments of :func:`mata_audio.models.loading.load`.
        cut_long_audio: whether clips that are too long are cut, or refused.
    """

    method: Method | None
    loading: Mapping[str, Any]
    cut_long_audio: bool

    def on(self, device: str) -> Arguments:
        """Return the same on a device."""
        return replace(self, loading={**self.loading, "device": device})


def read_arguments(given: Mapping[str, Any]) -> Arguments:
    """Read the arguments of a model; without any of a setting, the model is unmodified.

    Args:
        given: by name: those of :data:`LOADING`; ``long_audio``; and either ``settings``, a JSON
            file, or ``method`` and fields of it, in the words of ``mata eval --setting``. Values
            may be what a harness made of the words: numbers, booleans and lists.

    Raises:
        FileNotFoundError: there is no file ``settings``.
        SettingsError: an unknown argument, or a value that cannot be read or is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    setting = {name: value for name, value in given.items() if value is not None}
    loading = {name: setting.pop(name) for name in LOADING if name in setting}
    trusted = loading.get("trust_remote_code", False)
    if not isinstance(trusted, bool):
        raise SettingsTypeError(f"trust_remote_code must be true or false; got {trusted!r}")
    long_audio = setting.pop("long_audio", LONG_AUDIO[0])
    if long_audio not in LONG_AUDIO:
        raise SettingsError(
            f"long_audio must be one of {', '.join(LONG_AUDIO)}; got {long_audio!r}"
        )
    return Arguments(_method_from(setting), loading, long_audio == "cut")


def _method_from(setting: dict[str, Any]) -> Method | None:
    if not setting:
        return None
    file = setting.pop("settings", None)
    if file is not None:
        if setting:
            raise SettingsError(
                f"settings={file} is a whole setting: leave out {', '.join(setting)}, or the file"
            )
        return Method.load(_in_words(file))
    words = {name: _in_words(value) for name, value in setting.items()}
    cls = method_named(words.get("method", MATA.name), "method")
    known = ("method", *field_names(cls))
    for name in words:
        if name not in known:
            raise SettingsError(
                f"no argument is called {name!r}: a model has {', '.join(LOADING)}, long_audio and "
                f"settings; its method {cls.name} has {', '.join(known[1:])}"
            )
    return method_from_words(words, "the model's arguments")


def _in_words(value: Any) -> str:
    """Return the words of a value that a harness read as a number, a boolean or a list."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (list, tuple)):
        return ",".join(map(_in_words, value))
    text = str(value)
    quoted = len(text) > 1 and text[0] == text[-1] and text[0] in "'\""
    return text[1:-1] if quoted else text
