"""Pictures of an attention profile: by layer, and by layer and head."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from mata_audio.errors import SettingsError
from mata_audio.evaluation.results.number_format import counted, typeset
from mata_audio.pictures import style
from mata_audio.pictures.labels import label
from mata_audio.settings.colours import PAPER, Places, places_of
from mata_audio.settings.named import BASELINE

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from mata_audio.profiling import Profile

AUDIO = "audio"

MOST = 2
"""Most settings in one picture; more would hide one another."""

_LINES: tuple[Any, ...] = ("-", (0, (5, 1, 1, 1)))


def mass_by_layer(
    profile: Profile, setting: str | None = None, places: Places | None = None
) -> Figure:
    """Draw the share of attention on audio by layer, before and with a setting.

    Args:
        profile: the model's profile. The layers that the setting steers are shaded.
        setting: its name; None for the first ones after the baseline, if there are any.
        places: the settings' places in a run, which give them their colours; those that are not in
            it follow. None for their places in the profile.

    Raises:
        SettingsError: the profile has no such setting.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    names = _chosen(profile, setting)
    placed = places_of(profile.attention, places)
    with style.drawing():
        figure = style.new_figure(2.9)
        axes: Axes = figure.subplots()
        layers = np.arange(profile.layers)
        entries: list[tuple[Any, str]] = []
        for number, own in enumerate((BASELINE, *names)):
            plain = own == BASELINE
            colour = style.colour_of(placed[own])
            (line,) = axes.plot(
                layers, 100 * profile.attention[own].of(AUDIO, profile.kinds), color=colour,
                marker=style.shape_of(placed[own]), markersize=3.5 if plain else 5.5,
                markerfacecolor=PAPER if plain else colour, linewidth=1.4, markeredgewidth=1.2,
                linestyle=(0, (4, 2)) if plain else _LINES[number - 1], zorder=3 if plain else 2,
            )  # fmt: skip
            entries.append((line, label(own, 46, 1)))
        shades = [
            axes.axvspan(first - 0.5, last + 0.5, color=style.MARK, zorder=0)
            for first, last in _runs(_steered_by_any(profile, names))
        ]
        entries += [(shade, "steered layers") for shade in shades[:1]]
        _layer_axis(axes.xaxis)
        axes.set_xlim(-0.6, profile.layers - 0.4)
        axes.set_ylim(bottom=0)
        axes.grid(axis="y")
        axes.set_xlabel("layer (from 0)")
        axes.set_ylabel("attention on audio (%)")
        items = typeset(counted(profile.items, "item"))
        style.title(figure, f"Attention on audio by layer ({items})")
        over = any(profile.attention[own].of(AUDIO, profile.kinds).max() > 1 for own in names)
        note = "above 100 %: the weights that were used, which no softmax gives" if over else ""
        columns = style.columns([text for _, text in entries])
        style.legend_below(figure, entries, columns, note)
    return figure


def layer_head_map(
    profile: Profile, setting: str | None = None, places: Places | None = None
) -> Figure:
    """Draw the share of attention on audio by layer and head, and how a setting changes it.

    Args:
        profile: the model's profile. The layers that the setting steers are marked.
        setting: its name; None for the first ones after the baseline, if there are any.
        places: the settings' places in a run, which give them their colours; those that are not in
            it follow. None for their places in the profile.

    Raises:
        SettingsError: the profile has no such setting.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    names = _chosen(profile, setting)
    kind = profile.kinds.index(AUDIO)
    before = 100 * profile.attention[BASELINE].mean[:, :, kind]
    placed = places_of(profile.attention, places)
    changes = [100 * profile.attention[name].mean[:, :, kind] - before for name in names]
    with style.drawing():
        figure = style.new_figure(1.5 + 0.11 * max(profile.layers, 14))
        axes = figure.subplots(1, 1 + len(names), squeeze=False, sharey=True)[0]
        image = _map(axes[0], before, style.sequential(), 0, max(float(np.nanmax(before)), 1e-9))
        axes[0].set_title("baseline", fontweight="normal")
        axes[0].set_ylabel("layer (from 0)")
        figure.colorbar(image, ax=axes[0], location="bottom", label="on audio (%)", aspect=18)
        for own, name, change in zip(axes[1:], names, changes, strict=True):
            most = max(float(np.nanmax(np.abs(change))), 1e-9)
            colour = style.colour_of(placed[name])
            image = _map(own, change, style.diverging(colour), -most, most)
            title = label(f"change by {name}", 30 // len(names))
            own.set_title(title, fontweight="normal", color=colour)
            figure.colorbar(image, ax=own, location="bottom", label="change (points)", aspect=18)
            own.tick_params(left=False)  # the bar takes their place
            for first, last in _runs(steered_layers(profile, name)):
                own.plot(
                    [-0.02, -0.02], [first - 0.4, last + 0.4], color=colour, linewidth=3,
                    transform=own.get_yaxis_transform(), clip_on=False, solid_capstyle="butt",
                )  # fmt: skip
        note = "bar at the left: steered layers" if names else ""
        note += "; each map has its own scale" if len(names) > 1 else ""
        style.title(figure, "Attention on audio by layer and head", note)
    return figure


def steered_layers(profile: Profile, setting: str) -> tuple[int, ...]:
    """Return the layers that a setting of the profile steers: those with a gain other than 0."""
    from mata_audio.methods.method import method_from
    from mata_audio.steering.gain_tensor import gain_tensor

    fields = profile.attention[setting].setting or {}
    found = set()
    for change in method_from(fields, setting).rule().views[0]:
        gains = gain_tensor(change, layers=profile.layers, heads=profile.heads)
        found |= set(gains.flatten(1).any(dim=1).nonzero().flatten().tolist())
    return tuple(sorted(found))


def _steered_by_any(profile: Profile, settings: Sequence[str]) -> tuple[int, ...]:
    return tuple({layer for name in settings for layer in steered_layers(profile, name)})


def _chosen(profile: Profile, setting: str | None) -> list[str]:
    known = [name for name in profile.attention if name != BASELINE]
    if setting is None:
        return known[:MOST]
    if setting not in known:
        raise SettingsError(f"the profile has no setting {setting!r}; it has: {', '.join(known)}")
    return [setting]


def _runs(layers: tuple[int, ...]) -> list[tuple[int, int]]:
    """Return the first and last of every run of consecutive layers."""
    runs: list[tuple[int, int]] = []
    for layer in sorted(layers):
        if runs and layer == runs[-1][1] + 1:
            runs[-1] = (runs[-1][0], layer)
        else:
            runs.append((layer, layer))
    return runs


def _map(axes: Axes, values: Any, colours: Any, low: float, high: float) -> Any:
    heads = values.shape[1]
    image = axes.imshow(
        values, cmap=colours, vmin=low, vmax=high, aspect="auto", interpolation="none",
        origin="lower",
    )  # fmt: skip
    _layer_axis(axes.yaxis)
    _layer_axis(axes.xaxis)
    axes.set_xlim(-0.5, heads - 0.5)
    axes.set_xlabel("head (from 0)")
    return image


def _layer_axis(axis: Any) -> None:
    from matplotlib.ticker import MaxNLocator

    axis.set_major_locator(MaxNLocator(8, integer=True, steps=[1, 2, 4, 5, 10]))
