"""What a study compares, as data: methods with their published settings and a small grid of each.

Every grid varies at most two numbers. Layers are given as shares of the depth, so that a setting
fits any model. To add a method, add a row to ``CONTENDERS``; a method without a row takes part with
its published setting.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.methods import METHODS, Method
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.settings.in_words import short_name

LAYERS = (None, "all", "0-3 of 12", "3-7 of 12", "3-11 of 12")
"""The paper's layers, every layer, the first third, a window around a third, and all later."""

PUBLISHED, DEFAULT, CHOSEN, FITTED, CARRIED = (
    "published",
    "default",
    "chosen",
    "fitted",
    "carried over",
)
"""How a reported setting came about; methods of our own have a default instead of a published."""

OURS = "ours"
"""``Method.source`` of a method that is our own."""


@dataclass(frozen=True)
class Contender:
    """One method, or one way of using it, of which one setting is chosen.

    Args:
        name: its name in tables.
        method: key of :data:`mata_audio.methods.METHODS`.
        fixed: fields that all its settings have.
        grid: values by field; every combination is tried.
        published: whether its fixed fields alone are a setting that was published, or the default
            of a method of our own.
    """

    name: str
    method: str
    fixed: Mapping[str, Any] = field(default_factory=dict)
    grid: Mapping[str, Sequence[Any]] = field(default_factory=dict)
    published: bool = True

    @property
    def default(self) -> Method | None:
        """Its published or default setting, if it has one."""
        return METHODS[self.method](**self.fixed) if self.published else None

    @property
    def how(self) -> str:
        """Where its default comes from."""
        return DEFAULT if METHODS[self.method].source == OURS else PUBLISHED

    @property
    def candidates(self) -> tuple[Method, ...]:
        """The settings that one is chosen from: the default first, then the grid's others."""
        tried = [METHODS[self.method](**self.fixed, **own) for own in combinations(self.grid)]
        return tuple(dict.fromkeys(own for own in [self.default, *tried] if own is not None))


def combinations(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Return every combination of a grid's values, as fields; nothing of an empty grid."""
    if not grid:
        return []
    return [dict(zip(grid, values, strict=True)) for values in product(*grid.values())]


_SCORES = {"alpha": (0.1, 0.5, 1.0, 2.0, 5.0), "layers": LAYERS}
_SHARES = {"alpha": (0.5, 1.0, 2.0, 3.0), "layers": LAYERS}


def _text(alpha: float, layers: str = "all") -> dict[str, Any]:
    return {"formula": "add", "alpha": -alpha, "keys": "text", "layers": layers}


def _mass(alpha: float) -> dict[str, Any]:
    return {"formula": "mass", "alpha": alpha, "layers": "3-7 of 12"}


CONTENDERS = (
    Contender("mata", "mata", grid=_SCORES),
    Contender("mata (absolute)", "mata", {"formula": "absolute"}, _SCORES, published=False),
    Contender("mata (add)", "mata", {"formula": "add"}, _SCORES, published=False),
    Contender("pai", "pai", grid={"alpha": (0.2, 0.5, 1.0), "gamma": (1.1, 1.5, 2.0)}),
    Contender("pai (no audio)", "pai", {"view": "no-audio"}, {"gamma": (1.1, 1.5, 2.0)}),
    Contender("aad", "aad", grid={"alpha": (0.25, 0.5, 1.0, 2.0)}),
    Contender("aad (silence)", "aad", {"view": "silence"}, {"alpha": (0.25, 0.5, 1.0, 2.0)}),
    Contender("vcd", "vcd", grid={"alpha": (0.5, 1.0, 2.0)}),
    Contender("tcd", "tcd", grid={"strength": (0.3, 0.96, 1.5)}),
    Contender("adaptvis", "adaptvis", grid={"w1": (0.5, 1.5, 2.0), "w2": (0.5, 1.5, 2.0)}),
    Contender("caac", "caac", grid={"most": (1.5, 2.0, 3.0), "threshold": (0.25, 0.5)}),
    Contender("vaf", "vaf", grid={"enhance": (1.15, 1.5, 2.0)}),
    Contender("mass", "mass", grid=_SHARES),
    Contender("value", "value", grid=_SHARES),
    Contender(
        "text lowered",
        "changes",
        grid={
            "changes": [
                (_text(alpha, layers),)
                for alpha in (0.25, 0.5, 1.0, 2.0)
                for layers in ("all", "3-7 of 12", "3-11 of 12")
            ]
        },
        published=False,
    ),
    Contender("contrast", "contrast", grid={"alpha": (0.5, 1.0, 2.0, 3.0), "power": (0.0, 2.0)}),
    Contender(
        "mass and text lowered",
        "changes",
        grid={"changes": [(_mass(a), _text(b)) for a in (0.5, 1.0, 2.0) for b in (0.25, 0.5, 1.0)]},
        published=False,
    ),
    Contender(
        "mass and contrast",
        "changes",
        {"power": 2.0, "cut": 0.1},
        {"changes": [(_mass(a),) for a in (0.5, 1.0, 2.0)], "contrast": (0.5, 1.0, 2.0)},
        published=False,
    ),
)
"""The methods with a grid, in the order of the tables."""


def contenders(names: Sequence[str] | None = None) -> tuple[Contender, ...]:
    """Return the contenders of a study: those with a grid, then the methods that have none.

    Args:
        names: the ones that are wanted, by the names in tables; None for all.

    Raises:
        SettingsError: there is none of a name.
    """
    with_grid = [own for own in CONTENDERS if own.method in METHODS]
    gridded = {own.method for own in with_grid}
    every = with_grid + [Contender(name, name) for name in METHODS if name not in gridded]
    if names is None:
        return tuple(every)
    known = {own.name: own for own in every}
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known)
            raise SettingsError(f"no method {name!r} to study{hint}; there are {', '.join(known)}")
    return tuple(known[name] for name in dict.fromkeys(names))


def setting_name(contender: Contender, method: Method) -> str:
    """Return the name of a contender's setting in the runs of a study."""
    return f"{contender.name}: {short_name(method)}"
