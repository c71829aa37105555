"""From fitted numbers to a setting like any other, and such a setting at other strengths."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from typing import cast

from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.evaluation.choosing.fitting import Fitting, Kind
from mata_audio.methods.changes import Changes
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.mass import Mass
from mata_audio.methods.mata import MATA
from mata_audio.methods.method import Method
from mata_audio.methods.one_change import OneChange
from mata_audio.steering.rule import Change


def fitted_setting(fitting: Fitting, tables: Sequence[Tensor], weight: float | None) -> Method:
    """Return the method that does what was fitted.

    Args:
        fitting: says what the gains are of.
        tables: gains of each kind, shape ``(layers, heads)``.
        weight: of the contrast; None if none was fitted.
    """
    gains = [tuple(map(tuple, table.tolist())) for table in tables]
    if weight is None and fitting.kinds == (Kind("mass"),):
        return Mass(gains=gains[0])
    if weight is None and len(gains) == 1 and fitting.kinds[0].keys == "audio":
        return MATA(gains=gains[0], formula=fitting.kinds[0].formula)
    changes = tuple(
        Change(kind.formula, 1.0, kind.keys, gains=own)
        for kind, own in zip(fitting.kinds, gains, strict=True)
    )
    if weight is None:
        return Changes(changes)
    fixed = Contrast()
    return Changes(changes, contrast=weight, power=fixed.power, cut=fixed.cut)


def scaled(setting: Method, strength: float) -> Method:
    """Return a setting that was chosen at alpha 1 at another strength.

    Raises:
        SettingsError: the strength is not allowed, or the method has none.
    """
    if isinstance(setting, OneChange):
        return replace(setting, alpha=strength)
    if not isinstance(setting, Changes):
        raise SettingsError(f"{setting.name} has no strength that could be chosen")
    changes = cast(Iterable[Change], setting.changes)
    return replace(
        setting,
        changes=tuple(replace(change, alpha=strength * change.alpha) for change in changes),
        contrast=strength * setting.contrast,
    )
