"""The options that say how to steer, and the settings they make."""

from __future__ import annotations

import argparse
import re
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mata_audio.cli.options.model import model_folder
from mata_audio.errors import SettingsError
from mata_audio.methods.mata import MATA
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import NamedSetting, load_setting
from mata_audio.steering.formulas import FORMULAS

OPTIONS = ("alpha", "layers", "heads", "formula", "rows", "tokens")
"""The fields of a setting that have an option each."""

DEFAULT_WORDS = {"layers": "paper", "heads": "all"}
"""What to write for a field's default, None."""

_NAMED = re.compile(r"\s*([^:=]+?)\s*:\s*(.*)", re.DOTALL)
_FORM = (
    'write --setting as "alpha=0.1 layers=10-20", with a name as "NAME: alpha=0.1", as "paper", '
    "or as a JSON file that MATA.save wrote"
)


@dataclass(frozen=True)
class ChosenSetting:
    """A setting, and in words where it comes from."""

    mata: MATA
    origin: str


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--settings``, ``--alpha`` and the other fields of a setting."""
    group = parser.add_argument_group("setting")
    group.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="JSON file with a setting, from MATA.save, mata sweep or mata choose",
    )
    group.add_argument(
        "--alpha",
        type=float,
        metavar="NUMBER",
        help="strength: 0.1 in the paper; 0 changes nothing",
    )
    group.add_argument(
        "--layers",
        metavar="RANGE",
        help='decoder layers, counted from 0: 10-20 (inclusive) or 3,5-7; "paper" is 10-20 of 28, '
        "scaled to the model's depth",
    )
    group.add_argument(
        "--heads", metavar="RANGE", help='query heads, written as for --layers; or "all"'
    )
    group.add_argument("--formula", metavar="NAME", help=f"one of {', '.join(FORMULAS)}")
    group.add_argument(
        "--rows",
        metavar="NAME",
        help="query rows of the prompt to change: last (the paper's), all, after-audio, last-8 or "
        "random-8 (8 may be any number)",
    )
    group.add_argument(
        "--tokens",
        metavar="NAME",
        help="tokens whose attention changes: audio (the paper's), image, video, or several, such "
        "as audio,image",
    )


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Add the same, and ``--setting`` and ``--baseline-only``, for commands that take several."""
    add_setting_options(parser)
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="SPEC",
        help='a setting: "alpha=0.1 layers=10-20", "NAME: alpha=0.1", "paper" or a JSON file; '
        "repeat for several",
    )
    parser.add_argument(
        "--baseline-only", action="store_true", help="run only the unmodified model"
    )


def setting_from(args: argparse.Namespace, model_folder: Path | None) -> ChosenSetting:
    """Return the one setting of a command.

    Options override ``--settings``, else the model folder's ``mata.json``, else the paper's.

    Raises:
        FileNotFoundError: there is no file ``--settings``.
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    own = setting_of(model_folder)
    if args.settings is not None:
        default, origin = MATA.load(args.settings), f"from {args.settings}"
    elif own is not None:
        default, origin = own, "from its mata.json"
    else:
        default, origin = MATA(), "the paper's"
    given = _given(args)
    if not given:
        return ChosenSetting(default, origin)
    origin = f"{', '.join(f'--{name}' for name in given)}; the rest {origin}"
    changes = _without_default_words(given)
    if default.gains is not None and changes.keys() & {"layers", "heads"}:
        changes = {"gains": None, "alpha": None, **changes}
    return ChosenSetting(replace(default, **changes), origin)


def setting_of(model_folder: Path | None) -> MATA | None:
    """Return the setting in a model folder's ``mata.json``, if there is one."""
    path = _own_file(model_folder)
    return None if path is None else MATA.load(path)


def settings_from(args: argparse.Namespace) -> list[NamedSetting]:
    """Return the settings of a command that takes several.

    These are each ``--setting``, and the one of ``--settings``, ``--alpha`` and so on. Without any
    of these options it is the one in the model folder's ``mata.json``, else the paper's.

    Raises:
        SettingsError: a setting that cannot be read, or one together with ``--baseline-only``.
    """
    given = bool(_given(args)) or args.settings is not None
    if args.baseline_only:
        if given or args.setting:
            raise SettingsError("--baseline-only leaves no room for a setting; drop one of them")
        return []
    settings = [parse_setting(spec) for spec in args.setting]
    if given or not settings:
        settings.insert(0, _from_options(args))
    return settings


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


def _from_options(args: argparse.Namespace) -> NamedSetting:
    folder = model_folder(args.model)
    file = args.settings or _own_file(folder)
    if file is not None and not _given(args):
        return load_setting(file)
    return NamedSetting("MATA", setting_from(args, folder).mata)


def _own_file(model_folder: Path | None) -> Path | None:
    path = None if model_folder is None else model_folder / "mata.json"
    return path if path is not None and path.is_file() else None


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a setting that have been given as options."""
    values = {name: getattr(args, name) for name in OPTIONS}
    return {name: value for name, value in values.items() if value is not None}


def _fields(spec: str, body: str) -> dict[str, Any]:
    fields: dict[str, Any] = {}
    for part in body.split():
        name, equals, value = part.partition("=")
        if not equals or name not in OPTIONS or name in fields:
            raise SettingsError(f"cannot read {part!r} in --setting {spec!r}: {_FORM}")
        fields[name] = value
    if not fields:
        raise SettingsError(f"--setting {spec!r} is empty: {_FORM}")
    if "alpha" in fields:
        try:
            fields["alpha"] = float(fields["alpha"])
        except ValueError:
            raise SettingsError(
                f"alpha must be a number; got {fields['alpha']!r} in --setting {spec!r}"
            ) from None
    return _without_default_words(fields)


def _without_default_words(fields: dict[str, Any]) -> dict[str, Any]:
    return {n: None if DEFAULT_WORDS.get(n) == value else value for n, value in fields.items()}
