"""The setting that a model folder brings along: its ``mata.json``."""

from __future__ import annotations

import json
from pathlib import Path

from mata_audio.methods.method import Method
from mata_audio.tiny import MODEL_PATH, TINY

NAME = "mata.json"


def folder_of(model: str | Path) -> Path | None:
    """Return the folder of a local or the embedded model; None for a hub id."""
    path = MODEL_PATH if str(model) == TINY else Path(model)
    return path if path.is_dir() else None


def own_file(folder: Path | None) -> Path | None:
    """Return a model folder's ``mata.json``, if there is one."""
    path = None if folder is None else folder / NAME
    return path if path is not None and path.is_file() else None


def own_setting(folder: Path | None) -> Method | None:
    """Return the setting in a model folder's ``mata.json``, if there is one.

    Raises:
        SettingsError: the file holds no setting, or one with a value that is not allowed.
        SettingsTypeError: a field has the wrong type.
    """
    path = own_file(folder)
    return None if path is None else Method.load(path)


def own_evidence(folder: Path | None) -> str:
    """Return what a model folder's ``mata.json`` says of its setting: on what it was chosen."""
    path = own_file(folder)
    told = {} if path is None else json.loads(path.read_text(encoding="utf-8")).get("tuned_on")
    named = [told.get(key) for key in ("task", "split")] if isinstance(told, dict) else []
    on = " ".join(str(name) for name in named if name) or "data that its mata.json does not name"
    return f"its makers chose it on {on}; mata eval measures what it does"
