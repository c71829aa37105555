"""Settings that are one and the same on a model, whatever they are called."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from mata_audio.families import Located
from mata_audio.settings.mata import MATA
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.gain_tensor import gains_on


def equal_settings(settings: Iterable[NamedSetting], located: Located) -> dict[str, str]:
    """Return, for each setting that does to a model what an earlier one does, the earlier's name.

    Raises:
        SettingsError: a setting does not fit the model.
    """
    first: dict[Any, str] = {}
    equal: dict[str, str] = {}
    for setting in settings:
        if setting.mata is not None:
            name = first.setdefault(_effect(setting.mata, located), setting.name)
            if name != setting.name:
                equal[setting.name] = name
    return equal


def _effect(mata: MATA, located: Located) -> Any:
    gains = tuple(gains_on(mata, located).flatten().tolist())
    seed = mata.seed if mata.rows.startswith("random") else 0
    return gains, mata.formula, mata.rows, seed, mata.tokens
