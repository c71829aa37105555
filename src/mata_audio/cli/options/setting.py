"""The options that say how to steer, and the settings they make."""

from __future__ import annotations

import argparse
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.methods import MATA, METHODS, Method
from mata_audio.methods.own_file import folder_of
from mata_audio.settings.deciding import ChosenSetting, changed, starting_setting
from mata_audio.settings.from_words import (
    check_fields,
    fields_from,
    method_from_words,
    separate,
)
from mata_audio.settings.in_words import short_name
from mata_audio.settings.named import NamedSetting, default_setting, load_setting
from mata_audio.steering.formulas import FORMULAS

OPTIONS = ("alpha", "layers", "heads", "formula", "rows", "tokens")
"""The fields of methods that have an option each."""

_NAMED = re.compile(r"\s*([^:=]+?)\s*:\s*(.*)", re.DOTALL)
_FORM = (
    'write --setting as "alpha=0.1 layers=10-20" or "method=contrast power=1", with a name as '
    '"NAME: alpha=0.1", as "paper", or as a JSON file that a method\'s save wrote'
)


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--method``, ``--settings``, ``--alpha`` and the other fields of a setting."""
    group = parser.add_argument_group("setting")
    group.add_argument(
        "--method",
        metavar="NAME",
        help=f"one of {', '.join(METHODS)} (default: mata); mata methods says more",
    )
    group.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="JSON file with a setting of any method, from its save, mata sweep or mata choose",
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
    group.add_argument("--formula", metavar="NAME", help=f"for mata: one of {', '.join(FORMULAS)}")
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
    group.add_argument(
        "--option",
        action="append",
        default=[],
        metavar="FIELD=VALUE",
        help="any other field of the method, such as power=1; repeat for several",
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

    The rule is that of :func:`mata_audio.setting_for`.

    Raises:
        FileNotFoundError: there is no file ``--settings``.
        SettingsError: a field or value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    start = starting_setting(model_folder, args.method, args.settings)
    given = _given(args)
    if not given:
        return start
    origin = f"{', '.join(f'--{name}' for name in _written(args))}; the rest {start.origin}"
    default = start.method
    return ChosenSetting(changed(default, _values(type(default), given)), origin)


def set_in_words(method: Method, text: str) -> Method:
    """Return a setting with fields changed by words such as ``"alpha=0.5 layers=10-20"``.

    Args:
        method: the setting; with ``method=NAME`` among the words, the defaults of that one.
        text: the words; ``"paper"`` is the paper's setting.

    Raises:
        SettingsError: the words cannot be read, or a value is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    if text.strip() == "paper":
        return MATA()
    form = 'write fields, such as "alpha=0.5 layers=10-20" or "method=mass alpha=1"; or "paper"'
    words = separate(text, f"{text!r}", form, ("paper",))
    if "method" in words:
        return method_from_words(words, f"{text!r}")
    return changed(method, _values(type(method), words))


def settings_from(args: argparse.Namespace) -> list[NamedSetting]:
    """Return the settings of a command that takes several.

    These are each ``--setting``, and the one of ``--method``, ``--settings``, ``--alpha`` and so
    on. Without any of these options it is the one in the model folder's ``mata.json``, else the
    paper's.

    Raises:
        SettingsError: a setting that cannot be read, or one together with ``--baseline-only``.
    """
    given = bool(_given(args)) or args.settings is not None or args.method is not None
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
    if body.strip() == "paper":
        return NamedSetting(name or "paper", MATA())
    if body.endswith(".json") or Path(body).is_dir():
        return load_setting(body)  # which says that it is no such file
    method = _method_from(spec, body)
    return NamedSetting(name or short_name(method), method)


def _from_options(args: argparse.Namespace) -> NamedSetting:
    chosen = setting_from(args, folder_of(args.model)).method
    known = load_setting(args.settings) if args.settings else default_setting(args.model)
    if known.method == chosen and not _given(args):
        return known  # with what it was tuned on
    return NamedSetting(chosen.title, chosen)


def _given(args: argparse.Namespace) -> dict[str, Any]:
    """Return the fields of a setting that have been given as options, as they were written.

    Raises:
        SettingsError: ``--option`` cannot be read, or a field is given twice.
    """
    values = {name: getattr(args, name) for name in OPTIONS}
    found = {name: value for name, value in values.items() if value is not None}
    for text in args.option:
        name, equals, value = text.partition("=")
        if not (name and equals and value):
            raise SettingsError(f"cannot read --option {text!r}: write --option FIELD=VALUE")
        if name in found:
            raise SettingsError(f"{name} is given twice; leave out --option {text}")
        found[name] = value
    return found


def _written(args: argparse.Namespace) -> list[str]:
    """Return the given options by name, without dashes: ``["alpha", "option power=1"]``."""
    named = [name for name in OPTIONS if getattr(args, name) is not None]
    return named + [f"option {text}" for text in args.option]


def _values(cls: type[Method], given: dict[str, Any]) -> dict[str, Any]:
    """Return the values of given fields, those that are still words read by their types."""
    check_fields(cls, given)
    words = {name: value for name, value in given.items() if isinstance(value, str)}
    return {**given, **fields_from(cls, words)}


def _method_from(spec: str, body: str) -> Method:
    words = separate(body, f"--setting {spec!r}", _FORM, ("paper",))
    if not words:
        raise SettingsError(f"--setting {spec!r} is empty: {_FORM}")
    return method_from_words(words, f"--setting {spec!r}")
