"""Reading ``model_args``, by whose text lmms-eval tells the answers in its cache apart."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.harnesses.arguments import Arguments, read_arguments

_DIGITS = 12


def read_model_args(given: Mapping[str, Any]) -> Arguments:
    """Read the arguments of a model.

    A file of settings needs its digest behind it, ``settings=FILE@DIGEST``: lmms-eval would else
    give answers out of its cache after the file has changed.

    Args:
        given: as lmms-eval has split ``model_args``, without its own arguments.

    Raises:
        SettingsError: the digest is missing or another, or as for
            :func:`mata_audio.harnesses.arguments.read_arguments`, as the others.
        SettingsTypeError: a type that is not allowed.
        FileNotFoundError: there is no file ``settings``.
    """
    named = given.get("settings")
    if named is None:
        return read_arguments(given)
    path, _, digest = str(named).rpartition("@")
    if not path:
        path, digest = str(named), ""
    found = hashlib.sha256(Path(path).read_bytes()).hexdigest()[:_DIGITS]
    if digest != found:
        why = "needs the file's digest behind it" if not digest else "is not of the file as it is"
        raise SettingsError(
            f"settings={named} {why}: write settings={path}@{found}. lmms-eval keeps answers by "
            "the text of model_args, so a changed file must change it"
        )
    return read_arguments({**given, "settings": path})


def batch_size_from(value: object) -> int:
    """Return a batch size.

    Raises:
        SettingsError: it is not a whole number of 1 or more.
    """
    text = str(value)
    if not text.isdecimal() or int(text) < 1:
        raise SettingsError(f"batch_size must be a whole number of 1 or more; got {value!r}")
    return int(text)
