"""The settings of a sweep as grids of layers and alpha."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mata_audio.errors import SettingsError
from mata_audio.evaluation.results.results import SettingResult
from mata_audio.methods.method import method_from, ordered_fields
from mata_audio.notation.layers import format_indices
from mata_audio.settings.from_words import to_words
from mata_audio.settings.in_words import short_name

if TYPE_CHECKING:
    from mata_audio.evaluation.results.ranking import Sweep

_OF_PANEL = ("alpha", "layers", "heads", "gains", "formula", "on_no_audio")
"""Fields that are an axis of a panel, or stand in its title in another way."""

Layers = tuple[int, ...] | str | None


@dataclass(frozen=True)
class Panel:
    """The settings that differ only in layers and alpha, as a grid.

    Args:
        title: the formula or method, its other fields and the heads.
        rows: each row's layers.
        labels: the rows' labels.
        alphas: the columns' alphas.
        cells: setting names by row and column, of the combinations that were run.
    """

    title: str
    rows: tuple[Layers, ...]
    labels: tuple[str, ...]
    alphas: tuple[float, ...]
    cells: Mapping[tuple[int, int], str]


def panels(sweep: Sweep) -> list[Panel]:
    """Return the settings of a sweep as grids of layers and alpha.

    Raises:
        SettingsError: the sweep has no setting with results.
    """
    found: dict[str, list[SettingResult]] = {}
    for setting in _placed(sweep):
        found.setdefault(_title(setting), []).append(setting)
    if not found:
        raise SettingsError(
            "the sweep has no setting with one alpha and an answer: there is nothing to draw"
        )
    return [_panel(title, own) for title, own in found.items()]


def has_grid(sweep: Sweep) -> bool:
    """Whether a sweep has settings that :func:`mata_audio.pictures.heatmap` can show."""
    return bool(_placed(sweep))


def _placed(sweep: Sweep) -> list[SettingResult]:
    """Return the settings with one alpha and layers; a table of gains is in no grid."""
    return [
        setting
        for setting in sweep.results.settings
        for fields in [setting.method or {}]
        if fields.get("alpha") is not None and "layers" in fields and fields.get("gains") is None
        if setting.name in sweep.tuning.paired
    ]


def _title(setting: SettingResult) -> str:
    """Return in what a setting may differ from those of other panels."""
    assert setting.method is not None
    method = method_from(setting.method, setting.name)
    parts = [str(setting.method.get("formula") or method.name)]
    for own in ordered_fields(type(method)):
        value = getattr(method, own.name)
        if own.name not in _OF_PANEL and value != own.default:
            parts.append(f"{own.name} {to_words(own.name, value)}")
    if "heads" in setting.method:
        heads = to_words("heads", setting.method["heads"])
        parts.append("all heads" if heads == "all" else f"heads {heads}")
    return ", ".join(parts)


def _panel(title: str, settings: Sequence[SettingResult]) -> Panel:
    # The paper's layers, whose numbers depend on the model's depth, come first.
    rows = sorted({_layers(s) for s in settings}, key=_place)
    alphas = sorted({_alpha(s) for s in settings})
    cells: dict[tuple[int, int], str] = {}
    for setting in settings:
        place = (rows.index(_layers(setting)), alphas.index(_alpha(setting)))
        cells.setdefault(place, setting.name)
    labels = []
    for row in rows:
        own = [setting for setting in settings if _layers(setting) == row]
        written = "paper's" if row is None else row if isinstance(row, str) else format_indices(row)
        # If a row has one setting, the name that its user gave may say more than numbers.
        labels.append(own[0].name if len(own) == 1 and _named(own[0]) else written)
    return Panel(title, tuple(rows), tuple(labels), tuple(alphas), cells)


def _layers(setting: SettingResult) -> Layers:
    layers = (setting.method or {}).get("layers")
    return layers if layers is None or isinstance(layers, str) else tuple(layers)


def _place(layers: Layers) -> tuple[bool, tuple[int, ...], str]:
    """Return where layers stand in a grid: the paper's first, those in words last."""
    if isinstance(layers, str):
        return True, (), layers
    return False, layers or (), ""


def _alpha(setting: SettingResult) -> float:
    return float((setting.method or {})["alpha"])


def _named(setting: SettingResult) -> bool:
    """Whether a user named the setting."""
    return setting.method is not None and setting.name != short_name(
        method_from(setting.method, setting.name)
    )
