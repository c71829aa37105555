"""Several settings on one command line: ``--setting`` beside ``--alpha`` and its like."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from mata_audio.cli.options.setting import OPTIONS, setting_from
from mata_audio.errors import SettingsError
from mata_audio.settings.in_words import short_name
from mata_audio.settings.mata import MATA
from mata_audio.settings.named import NamedSetting, load_setting

_NAMED = re.compile(r"\s*([^:=]+?)\s*:\s*(.*)", re.DOTALL)
_FORM = (
    'write --setting as "alpha=0.1 layers=10-20", with a name as "NAME: alpha=0.1", as "paper", '
    "or as a JSON file that MATA.save wrote"
)


def settings_from(args: argparse.Namespace) -> list[NamedSetting]:
    """Return the settings asked for: each ``--setting``, and that of ``--alpha`` and its like.

    Where nothing is asked for: the one in the model folder's ``mata.json``, else the paper's.

    Raises:
        SettingsError: a setting that cannot be read, or one beside ``--baseline-only``.
    """
    changed = any(getattr(args, name) is not None for name in OPTIONS)
    given = changed or args.settings is not None
    if args.baseline_only:
        if given or args.setting:
            raise SettingsError("--baseline-only leaves no room for a setting; drop one of them")
        return []
    specified = [parse_setting(spec) for spec in args.setting]
    if given or not specified:
        specified.insert(0, _from_options(args, changed))
    return specified


def _from_options(args: argparse.Namespace, changed: bool) -> NamedSetting:
    folder = model_folder(args.model)
    own = folder / "mata.json" if folder is not None else None
    file = args.settings or (own if own is not None and own.is_file() else None)
    if file is not None and not changed:
        return load_setting(file)
    return NamedSetting("MATA", setting_from(args, folder).mata)


def model_folder(model: str) -> Path | None:
    """Return the folder of a local or the embedded model; None for a hub id."""
    from mata_audio.tiny import MODEL_PATH

    path = MODEL_PATH if model == "tiny" else Path(model)
    return path if path.is_dir() else None


def parse_setting(spec: str) -> NamedSetting:
    """Read one ``--setting``.

    Raises:
        SettingsError: it is not in one of the forms, or has a value that is not allowed.
    """
    if Path(spec).is_file():
        return load_setting(spec, name=Path(spec).stem)
    found = _NAMED.fullmatch(spec)
    name, body = (found[1], found[2]) if found else (None, spec)
    if Path(body).is_file():
        return replace(load_setting(body), name=name or Path(body).stem)
    mata = MATA() if body.strip() == "paper" else MATA(**_fields(spec, body))
    return NamedSetting(name or ("paper" if body.strip() == "paper" else short_name(mata)), mata)


def _fields(spec: str, body: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for part in body.split():
        name, equals, value = part.partition("=")
        if not equals or name not in OPTIONS or name in fields:
            raise SettingsError(f"cannot read {part!r} in --setting {spec!r}: {_FORM}")
        fields[name] = value
    if not fields:
        raise SettingsError(f"--setting {spec!r} says nothing: {_FORM}")
    if "alpha" in fields:
        try:
            fields["alpha"] = float(fields["alpha"])
        except ValueError:
            raise SettingsError(
                f"alpha must be a number; got {fields['alpha']!r} in --setting {spec!r}"
            ) from None
    unset = {"layers": "paper", "heads": "all"}
    return {n: None if unset.get(n) == value else value for n, value in fields.items()}
