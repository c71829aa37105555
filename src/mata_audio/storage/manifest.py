"""The fields that ``run.json`` must have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError

_KINDS: dict[type, str] = {
    dict: "an object",
    list: "a list",
    str: "a text",
    bool: "true or false",
    int: "a number",
    float: "a number",
    type(None): "null",
}

_FIELDS: dict[str, tuple[type, ...]] = {
    "identity": (dict,),
    "identity.model": (str,),
    "identity.task": (str,),
    "identity.split": (str,),
    "identity.data": (dict,),
    "identity.settings": (dict,),
    "facts": (dict,),
    "facts.title": (str,),
    "facts.data": (str, type(None)),
    "facts.reader": (str,),
    "facts.settings": (dict,),
    "sittings": (list,),
}
"""What is read of it, with the kinds of value that are allowed."""


def check_fields(manifest: Mapping[str, Any], path: Path) -> None:
    """Check that every field that is read is there.

    Raises:
        RunError: one is missing or has another kind of value; the message names it.
    """
    for name, kinds in _FIELDS.items():
        _check(manifest, tuple(name.split(".")), kinds, path)
    for setting in manifest["identity"]["settings"]:
        at = ("identity", "settings", setting)
        _check(manifest, at, (dict,), path)
        for key in ("method", "tuned_on"):
            _check(manifest, (*at, key), (dict, type(None)), path)
        _check(manifest, ("facts", "settings", setting), (str,), path)
    if "sweep" in manifest["facts"]:
        _check(manifest, ("facts", "sweep"), (dict,), path)
        _check(manifest, ("facts", "sweep", "tuning_ids"), (list,), path)
    for number in range(len(manifest["sittings"])):
        _check(manifest, ("sittings", number), (dict,), path)


def _check(
    manifest: Mapping[str, Any], keys: tuple[str | int, ...], kinds: tuple[type, ...], path: Path
) -> None:
    value: Any = manifest
    for key in keys:
        if isinstance(value, dict) and key not in value:
            _refuse(path, keys, "is missing")
        value = value[key]
    if not isinstance(value, kinds):
        allowed = " or ".join(_KINDS[kind] for kind in kinds)
        _refuse(path, keys, f"must be {allowed}, but is {_KINDS[type(value)]}")


def _refuse(path: Path, keys: tuple[str | int, ...], what: str) -> None:
    raise RunError(
        f"{path} is damaged, as its field {'.'.join(map(str, keys))} {what}: restore the file, or "
        "start a new run"
    )
