"""Fitted settings apply to the model that they were fitted on, and to no other."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.models.digests import TENSORS
from mata_audio.settings.named import NamedSetting


def check_same_model(settings: Sequence[NamedSetting], weights: Mapping[str, str]) -> None:
    """Check that no setting was fitted on other weights.

    Digests of files cannot be compared with those of a model that was given loaded; such a setting
    passes.

    Args:
        settings: the settings of a run.
        weights: digests of the run's model.

    Raises:
        SettingsError: a setting was.
    """
    for setting in settings:
        fitted_on = _weights_of(setting.tuned_on)
        if fitted_on and (TENSORS in fitted_on) == (TENSORS in weights) and fitted_on != weights:
            raise SettingsError(
                f"the gains of {setting.name!r} were fitted on a model with other weights, and "
                f"apply to the same model only ({_differing(fitted_on, weights)}): fit them on "
                "this one, mata choose"
            )


def _weights_of(tuned_on: Mapping[str, Any] | None) -> Mapping[str, str]:
    """Return the digests in a setting's file; empty if it has none."""
    found: Any = tuned_on
    for name in ("how", "fitting", "weights"):
        found = found.get(name) if isinstance(found, Mapping) else None
    return found if isinstance(found, Mapping) else {}


def _differing(fitted_on: Mapping[str, str], weights: Mapping[str, str]) -> str:
    names = sorted(
        name for name in {*fitted_on, *weights} if fitted_on.get(name) != weights.get(name)
    )
    name = names[0]
    was, now = (own.get(name, "missing")[:12] for own in (fitted_on, weights))
    return f"{name} was {was}, is {now}"
