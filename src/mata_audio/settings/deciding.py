"""The one rule that decides a setting, for commands and for programs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.methods import MATA
from mata_audio.methods.method import Method, method_named
from mata_audio.methods.own_file import folder_of, own_setting
from mata_audio.settings.from_words import check_fields
from mata_audio.settings.in_words import short_name

FROM_OWN_FILE = "from its mata.json"
"""How the origin of a model folder's own setting begins."""


@dataclass(frozen=True)
class ChosenSetting:
    """A setting, and in words where it comes from."""

    method: Method
    origin: str


def setting_for(
    model: str | Path,
    *,
    method: str | None = None,
    settings: str | Path | None = None,
    **fields: Any,
) -> Method:
    """Return the setting that the command ``mata`` takes for a model.

    Fields go over the file ``settings``, else over the model folder's ``mata.json`` if it is of the
    wanted method, else over the method's defaults. The method is the paper's unless something names
    another.

    Args:
        model: ``"tiny"``, a local folder or a hub id, which has no ``mata.json``.
        method: name of a method, one of :data:`mata_audio.methods.METHODS`.
        settings: a file that a method's ``save`` wrote.
        fields: of the method, such as ``alpha=0.5``.

    Raises:
        FileNotFoundError: there is no file ``settings``.
        SettingsError: no such method or field, the file is of another method, or a value is not
            allowed.
        SettingsTypeError: a type that is not allowed.

    Example:
        >>> setting_for("tiny")
        MATA(alpha=2.0, layers='3-7')
        >>> setting_for("tiny", alpha=0.5)
        MATA(alpha=0.5, layers='3-7')
        >>> MATA()
        MATA(alpha=0.1)
    """
    start = starting_setting(folder_of(model), method, settings).method
    check_fields(type(start), fields)
    return changed(start, fields)


def starting_setting(
    folder: Path | None, method: str | None = None, settings: str | Path | None = None
) -> ChosenSetting:
    """Return the setting that single fields go over, and where it comes from.

    Args:
        folder: the model's; None for a hub id.
        method: see :func:`setting_for`; so for the rest, and for errors.
        settings: see there.
    """
    wanted = None if method is None else method_named(method)
    if settings is not None:
        given = Method.load(settings)
        if wanted not in (None, type(given)):
            raise SettingsError(
                f"{settings} is for {given.name}, not for {method}: leave out the method, or give "
                "another file"
            )
        return ChosenSetting(given, f"from {settings}")
    own = own_setting(folder)
    if own is not None and wanted in (None, type(own)):
        return ChosenSetting(own, f"{FROM_OWN_FILE}{_unlike_default(own)}")
    if wanted in (None, MATA):
        return ChosenSetting(MATA(), "the paper's")
    assert wanted is not None
    return ChosenSetting(wanted(), f"the defaults of {wanted.name}")


def changed(method: Method, changes: Mapping[str, Any]) -> Method:
    """Return a setting with other values; layers or heads take the place of a table of gains."""
    if getattr(method, "gains", None) is not None and changes.keys() & {"layers", "heads"}:
        changes = {"gains": None, "alpha": None, **changes}
    return replace(method, **changes)


def _unlike_default(own: Method) -> str:
    """Return what the method's class gives without arguments, if that is another setting."""
    try:
        default = type(own)()
    except SettingsError:  # some methods have no defaults
        return ""
    if default == own:
        return ""
    layers = ", the paper's layers" if getattr(default, "layers", "") is None else ""
    return f"; {default.title}()'s default is {short_name(default)}{layers}"
