"""The settings of a sweep: a grid of alphas, layers, formulas and heads, or a preset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from itertools import product

from mata_audio.errors import SettingsError
from mata_audio.methods.mata import MATA
from mata_audio.notation.layers import format_indices, scaled_layers
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.formulas import FORMULAS

Indices = str | None


def grid(
    alphas: Sequence[float] = (0.1,),
    layers: Sequence[Indices] = (None,),
    formulas: Sequence[str] = ("multiply",),
    heads: Sequence[Indices] = (None,),
    rows: Sequence[str] = ("last",),
) -> list[NamedSetting]:
    """Return every combination as a setting, each with a name that describes it.

    Args:
        alphas: strengths.
        layers: such as ``"10-20"``; None for the paper's, at the same relative depth.
        formulas: keys of :data:`mata_audio.steering.formulas.FORMULAS`.
        heads: such as ``"0-3"``; None for all.
        rows: query rows to change, as in :class:`mata_audio.MATA`. Each value other than ``"last"``
            costs a prefill.

    Raises:
        SettingsError: an axis is empty, or a value is not allowed.
    """
    axes = {"alphas": alphas, "layers": layers, "formulas": formulas, "heads": heads, "rows": rows}
    for name, values in axes.items():
        if not values:
            raise SettingsError(f"the grid is empty: give at least one of {name}")
    settings = [
        MATA(alpha=alpha, layers=of_layers, formula=formula, heads=of_heads, rows=of_rows)
        for of_rows, formula, of_heads, of_layers, alpha in product(
            rows, formulas, heads, layers, alphas
        )
    ]
    return distinct([NamedSetting(short_name(mata), mata) for mata in settings])


def distinct(settings: Iterable[NamedSetting]) -> list[NamedSetting]:
    """Return the settings without duplicates; equal ones keep the name of the first."""
    return list({setting.method: setting for setting in reversed(list(settings))}.values())[::-1]


def preset(name: str, depth: int) -> list[NamedSetting]:
    """Return the settings of a preset on a decoder of ``depth`` layers.

    Raises:
        SettingsError: there is no preset of that name.
    """
    if name not in PRESETS:
        raise SettingsError(f"no preset {name!r}; allowed: {', '.join(PRESETS)}")
    return distinct(PRESETS[name](depth))


def _window(first: int, last: int, depth: int, reading: str) -> NamedSetting:
    """Return a setting with layers ``first`` to ``last`` of 28, at the same relative depth."""
    layers = scaled_layers(range(first, last + 1), depth)
    name = f"{reading} (layers {format_indices(layers)} of {depth})"
    return NamedSetting(name, MATA(layers=layers))


_PAPER_WINDOWS = ((0, 10), (5, 15), (10, 20), (15, 25), (20, 27))


def _paper_layers(depth: int) -> list[NamedSetting]:
    both = []
    for first, last in _PAPER_WINDOWS:
        both.append(_window(first, last, depth, f"{first}-{last}"))
        # "20-28" read as half-open is 20-27, already in the list.
        if last != 27:
            both.append(_window(first, last - 1, depth, f"{first}-{last} half-open"))
    return both


def _paper_alpha(depth: int) -> list[NamedSetting]:
    return grid(alphas=(0.05, 0.10, 0.15, 0.20))


def _formulas(depth: int) -> list[NamedSetting]:
    return grid(formulas=tuple(FORMULAS))


def _targets(depth: int) -> list[NamedSetting]:
    rows = ("last", "all", "after-audio", "last-8", "random-8")
    return [NamedSetting(f"rows: {of_rows}", MATA(rows=of_rows)) for of_rows in rows]


def _single_layers(depth: int) -> list[NamedSetting]:
    return grid(layers=[str(layer) for layer in range(depth)])


def _collapse(depth: int) -> list[NamedSetting]:
    early = scaled_layers(range(11), depth)
    return [
        NamedSetting(f"early, alpha {alpha:g}", MATA(alpha=alpha, layers=early))
        for alpha in (0.05, 0.1, 0.2, 0.5, 1.0)
    ]


PRESETS: dict[str, Callable[[int], list[NamedSetting]]] = {
    "paper-layers": _paper_layers,
    "paper-alpha": _paper_alpha,
    "targets": _targets,
    "formulas": _formulas,
    "single-layers": _single_layers,
    "collapse": _collapse,
}
"""By name, functions from the decoder's depth to settings. ``paper-layers`` and ``paper-alpha`` are
the paper's ablations (arXiv 2509.18816, section 3), ``collapse`` its failure case, early layers.
``targets`` changes other query rows than the last."""
