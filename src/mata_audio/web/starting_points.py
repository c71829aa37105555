"""The settings that the page starts from, and what its controls make of one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mata_audio.errors import MataError, SettingsError
from mata_audio.families import locate
from mata_audio.methods import MATA, METHODS, Method
from mata_audio.methods.own_file import own_setting
from mata_audio.methods.presets import PUBLISHED
from mata_audio.models.loading import Loaded
from mata_audio.models.other_audio import OTHERS
from mata_audio.serving.checking import check_changes
from mata_audio.settings.embedded import BEST
from mata_audio.settings.from_words import to_words, value_from
from mata_audio.settings.in_words import short_name
from mata_audio.tiny import TINY

CONTROLLED = ("alpha", "layers", "heads", "formula", "rows")
"""The fields that have a control each, in methods that have them."""


@dataclass(frozen=True)
class StartingPoint:
    """A setting to start from.

    Args:
        name: as the page lists it; unique.
        method: the method and its settings.
        origin: where it comes from, in a sentence.
    """

    name: str
    method: Method
    origin: str


def starting_points(
    loaded: Loaded, folder: Path | None, files: Iterable[Path] = ()
) -> dict[str, StartingPoint]:
    """Return the settings that fit a model, by name: its own first, then files and presets.

    Args:
        loaded: the model.
        folder: the model's folder, whose ``mata.json`` is its own setting; None if it has none.
        files: setting files of the user.

    Raises:
        MataError: a file holds no setting, or one that does not fit the model.
        FileNotFoundError: there is no such file.
    """
    found: list[StartingPoint] = []
    own = own_setting(folder)
    if own is not None:
        found.append(StartingPoint(f"this model's own: {short_name(own)}", own, "its mata.json"))
    found += [from_file(loaded, path) for path in files]
    if loaded.name == TINY:
        page = "docs/explanation/choosing.md"
        found.append(StartingPoint(f"best rule here: {short_name(BEST)}", BEST, page))
    paper = MATA()
    found.append(StartingPoint("the paper's: alpha 0.1, its layers", paper, "arXiv 2509.18816"))
    others = [
        StartingPoint(
            f"preset for {row.model}", MATA(alpha=row.alpha, layers=row.layers), row.source
        )
        for row in PUBLISHED
    ]
    others += [
        StartingPoint(f"method {name}", cls(), f"{cls.summary}; {cls.source}")
        for name, cls in sorted(METHODS.items())
        if cls is not MATA
    ]
    found += [point for point in others if _fits(loaded, point.method)]
    return {point.name: point for point in found}


def from_file(loaded: Loaded, path: Path, name: str = "") -> StartingPoint:
    """Return the setting of a file; errors as for :func:`starting_points`."""
    method = Method.load(path)
    _check(loaded, method)
    return StartingPoint(f"file {name or path.name}: {short_name(method)}", method, str(path))


def controls_of(method: Method) -> dict[str, Any]:
    """Return the values of a method's controls: alpha as a number, the others as words."""
    if getattr(method, "gains", None) is not None:
        return {}  # a strength for each layer and head has no control
    names = [name for name in CONTROLLED if hasattr(method, name)]
    values = {name: getattr(method, name) for name in names}
    return {
        name: value if name == "alpha" else to_words(name, value) for name, value in values.items()
    }


def controlled(method: Method, values: Mapping[str, Any]) -> Method:
    """Return a method with the values of its controls; those of others are left out.

    Raises:
        MataError: a value cannot be read or is not allowed.
    """
    if values.get("alpha", 0) is None:
        raise SettingsError("alpha must be a number; the field is empty")
    changes = {
        name: values[name] if name == "alpha" else value_from(type(method), name, values[name])
        for name in controls_of(method)
        if name in values
    }
    return replace(method, **changes)


def _check(loaded: Loaded, method: Method) -> None:
    """Check that a method can answer a question of the page.

    Raises:
        SettingsError: the model lacks what it changes, or it compares with a prompt of the user's.
    """
    check_changes(locate(loaded.model), loaded.processor.tokenizer, method)
    unknown = set(method.rule().others) - set(OTHERS)
    if unknown:
        raise SettingsError(
            f"{method.name} compares with a prompt that cannot be made here: {', '.join(unknown)}; "
            f"the page can make {', '.join(OTHERS)}"
        )


def _fits(loaded: Loaded, method: Method) -> bool:
    rule = method.rule()
    try:
        _check(loaded, method)
    except MataError:
        return False
    return any(rule.views) or rule.combine is not None
