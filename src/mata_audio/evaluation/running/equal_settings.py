"""Settings that are one and the same on a model, whatever they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mata_audio.families import Located
from mata_audio.methods.method import Method
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.by_rule import key_gains


def equal_settings(settings: Iterable[NamedSetting], located: Located) -> dict[str, str]:
    """Return, for each setting that does to a model what an earlier one does, the earlier's name.

    Raises:
        SettingsError: a setting does not fit the model.
    """
    first: dict[Any, str] = {}
    equal: dict[str, str] = {}
    for setting in settings:
        if setting.method is not None:
            name = first.setdefault(_effect(setting.method, located), setting.name)
            if name != setting.name:
                equal[setting.name] = name
    return equal


def _effect(method: Method, located: Located) -> Any:
    rule = method.rule()
    gains = tuple(
        (change.formula, change.keys, tuple(change.gains.flatten().tolist()))
        for change in key_gains([rule], located)
    )
    if rule.combine is not None or rule.look is not None:
        return method  # what these do is not known from their gains
    return gains, rule.rows, rule.tokens
