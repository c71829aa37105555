"""What an evaluation compares: the baseline and named settings, each with where it was tuned."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.methods.method import Method, settings_json
from mata_audio.methods.own_file import folder_of, own_file
from mata_audio.settings.deciding import starting_setting
from mata_audio.settings.in_words import short_name
from mata_audio.shown.one_line import OneLine
from mata_audio.storage.atomic_file import write_atomically

BASELINE = "baseline"
"""Name of the unmodified model."""


@dataclass(frozen=True)
class NamedSetting(OneLine):
    """A setting of a run.

    Args:
        name: its name in tables; unique within a run.
        method: the method and its settings; None for the baseline.
        tuned_on: the data on which it was chosen, from its file: ``task``, ``split`` and, if
            known, ``files`` (sha256 by name), ``ids`` and ``how``. None if its file has nothing.
    """

    name: str
    method: Method | None
    tuned_on: Mapping[str, Any] | None = None

    def as_data(self) -> dict[str, Any]:
        """Return the setting as JSON data, without its name."""
        return {
            "method": self.fields,
            "tuned_on": None if self.tuned_on is None else dict(self.tuned_on),
        }

    @property
    def fields(self) -> dict[str, Any] | None:
        """The method and its settings as JSON data; None for the baseline."""
        return None if self.method is None else self.method.as_data()


def with_baseline(
    settings: Method | NamedSetting | Sequence[Method | NamedSetting],
) -> tuple[NamedSetting, ...]:
    """Return the baseline and the given settings, each with a name.

    Raises:
        SettingsError: two settings have the same name.
    """
    given = [settings] if isinstance(settings, (Method, NamedSetting)) else list(settings)
    one_unnamed = sum(isinstance(setting, Method) for setting in given) == 1
    named = [
        setting
        if isinstance(setting, NamedSetting)
        else NamedSetting(setting.title if one_unnamed else short_name(setting), setting)
        for setting in given
    ]
    names = [BASELINE, *(setting.name for setting in named)]
    for name in names:
        if names.count(name) > 1:
            raise SettingsError(
                f"two settings are called {name!r}; give each its own name "
                "(NamedSetting(name, method), or NAME:alpha=... on the command line)"
            )
    return (NamedSetting(BASELINE, None), *named)


def load_setting(path: str | Path, name: str | None = None) -> NamedSetting:
    """Read a setting, and what it was tuned on, from a file; without a name, it has the method's.

    Raises:
        FileNotFoundError: there is no such file.
        SettingsError: the file holds no setting, or one with a value that is not allowed.
        SettingsTypeError: a field has the wrong type.
    """
    method = Method.load(path)
    tuned_on = json.loads(Path(path).read_text(encoding="utf-8")).get("tuned_on")
    return NamedSetting(name or method.title, method, tuned_on)


def default_setting(model: str | Path) -> NamedSetting:
    """Return the setting of a run that names none, with what it was tuned on.

    It is the one in the model folder's ``mata.json``, else the paper's; see
    :func:`mata_audio.setting_for`.

    Args:
        model: ``"tiny"``, a local folder or a hub id, which has no ``mata.json``.

    Raises:
        SettingsError: the file holds no setting, or one with a value that is not allowed.
        SettingsTypeError: a field has the wrong type.
    """
    folder = folder_of(model)
    file = own_file(folder)
    if file is not None:
        return load_setting(file)
    method = starting_setting(folder).method
    return NamedSetting(method.title, method)


def save_setting(setting: NamedSetting, path: str | Path) -> None:
    """Write a setting, and what it was tuned on, for :func:`load_setting` to read.

    Raises:
        SettingsError: the setting is the baseline.
    """
    if setting.method is None:
        raise SettingsError("the baseline has no setting to save: choose another one")
    data = {**setting.method.as_data(), "tuned_on": setting.tuned_on}
    write_atomically(Path(path), settings_json(data))
