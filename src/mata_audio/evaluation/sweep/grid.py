"""The settings of a sweep: a grid of any fields of any methods, or a preset."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from itertools import product
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.methods import MATA, METHODS, Method
from mata_audio.methods.method import method_named
from mata_audio.models.other_audio import OTHERS
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.notation.layers import format_indices, scaled_layers
from mata_audio.settings.from_words import field_names, value_from
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.formulas import FORMULAS

Indices = str | None

NAMES = {"alpha": "alphas", "formula": "formulas"}
"""Fields whose axis is called otherwise."""


def grid(
    alphas: Sequence[float] | None = None,
    layers: Sequence[Indices] | None = None,
    formulas: Sequence[str] | None = None,
    heads: Sequence[Indices] | None = None,
    rows: Sequence[str] | None = None,
    *,
    methods: Sequence[str] = ("mata",),
    **others: Sequence[Any],
) -> list[NamedSetting]:
    """Return every combination as a setting, each with a name that describes it.

    Each method gets the axes of the fields that it has. Axes that are left out, or None, are at the
    method's default. Values may be words, as on the command line.

    Args:
        alphas: strengths.
        layers: such as ``"10-20"``; None for the paper's, at the same relative depth.
        formulas: keys of :data:`mata_audio.steering.formulas.FORMULAS`.
        heads: such as ``"0-3"``; None for all.
        rows: query rows to change, as in :class:`mata_audio.MATA`. Each value other than ``"last"``
            costs a prefill.
        methods: names of methods.
        others: values of any other field, by its name.

    Raises:
        SettingsError: an axis is empty, no method has its field, or a value is not allowed.
    """
    given = {"rows": rows, "formula": formulas, "heads": heads, "layers": layers, "alpha": alphas}
    axes = {name: values for name, values in (others | given).items() if values is not None}
    for name, values in axes.items():
        if not values:
            raise SettingsError(f"the grid is empty: give at least one of {NAMES.get(name, name)}")
    if not methods:
        raise SettingsError("the grid is empty: give at least one of methods")
    classes = [method_named(name, "the grid") for name in methods]
    for name in axes:
        _check_some_has(classes, name)
    settings = [setting for cls in classes for setting in _of_method(cls, axes)]
    return distinct([NamedSetting(short_name(setting), setting) for setting in settings])


def _of_method(cls: type[Method], axes: Mapping[str, Sequence[Any]]) -> Iterator[Method]:
    """Yield a method's settings along the axes of its own fields."""
    names = [name for name in axes if name in field_names(cls)]
    for values in product(*(axes[name] for name in names)):
        chosen = zip(names, values, strict=True)
        yield cls(
            **{
                name: value_from(cls, name, value) if isinstance(value, str) else value
                for name, value in chosen
            }
        )


def _check_some_has(classes: Sequence[type[Method]], name: str) -> None:
    if not any(name in field_names(cls) for cls in classes):
        own = "; ".join(f"{cls.name} has {', '.join(field_names(cls))}" for cls in classes)
        hint = did_you_mean(name, [field for cls in classes for field in field_names(cls)])
        raise SettingsError(
            f"the grid has the field {name!r}, but no method of it does{hint}: {own}"
        )


def distinct(settings: Iterable[NamedSetting]) -> list[NamedSetting]:
    """Return the settings without duplicates; equal ones keep the name of the first."""
    return list({setting.method: setting for setting in reversed(list(settings))}.values())[::-1]


def preset(name: str, depth: int) -> list[NamedSetting]:
    """Return the settings of a preset on a decoder of ``depth`` layers.

    Raises:
        SettingsError: there is no preset of that name.
    """
    if name not in PRESETS:
        hint = did_you_mean(name, PRESETS)
        raise SettingsError(f"no preset {name!r}{hint}; allowed: {', '.join(PRESETS)}")
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


def _methods(depth: int) -> list[NamedSetting]:
    found = []
    for method in (cls() for cls in METHODS.values()):
        rule = method.rule()
        changes = any(rule.views) or rule.combine is not None
        if changes and set(rule.others) <= set(OTHERS):
            found.append(NamedSetting(method.title, method))
    return found


PRESETS: dict[str, Callable[[int], list[NamedSetting]]] = {
    "paper-layers": _paper_layers,
    "paper-alpha": _paper_alpha,
    "targets": _targets,
    "formulas": _formulas,
    "single-layers": _single_layers,
    "collapse": _collapse,
    "methods": _methods,
}
"""By name, functions from the decoder's depth to settings. ``paper-layers`` and ``paper-alpha`` are
the paper's ablations (arXiv 2509.18816, section 3), ``collapse`` its failure case, early layers.
``targets`` changes other query rows than the last. ``methods`` is each method at its default, which
is the published setting of those that were published; not those that do nothing unless told what,
or need a second prompt that only the user can write."""
