"""The options that say how to steer, and the setting they make."""

from __future__ import annotations

import argparse
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from mata_audio.settings.mata import MATA
from mata_audio.steering.formulas import FORMULAS

OPTIONS = ("alpha", "layers", "heads", "formula", "rows", "tokens")


@dataclass(frozen=True)
class ChosenSetting:
    """A setting and where it comes from, in words."""

    mata: MATA
    origin: str


def add_setting_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--settings``, ``--alpha`` and the other fields of a setting."""
    group = parser.add_argument_group("setting")
    group.add_argument(
        "--settings",
        type=Path,
        metavar="FILE",
        help="a setting as MATA.save, mata sweep and mata choose write it",
    )
    group.add_argument(
        "--alpha",
        type=float,
        metavar="NUMBER",
        help="strength; the paper's is 0.1, and 0 changes nothing",
    )
    group.add_argument(
        "--layers",
        metavar="RANGE",
        help='decoder layers from 0, such as 10-20 (inclusive) or 3,5-7; "paper": the published '
        "10-20 of 28, at the same relative depth",
    )
    group.add_argument("--heads", metavar="RANGE", help='query heads, written the same way; "all"')
    group.add_argument("--formula", metavar="NAME", help=f"one of {', '.join(FORMULAS)}")
    group.add_argument(
        "--rows",
        metavar="NAME",
        help="query rows of the prompt that are changed: last (the paper's), all, after-audio, "
        "last-8 or random-8, with any number",
    )
    group.add_argument(
        "--tokens",
        metavar="NAME",
        help="tokens whose keys are changed: audio (the paper's), image, video, or several with "
        "commas, such as audio,image",
    )


def add_settings_options(parser: argparse.ArgumentParser) -> None:
    """Add the same, and ``--setting`` and ``--baseline-only``, for commands that take several."""
    add_setting_options(parser)
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="SPEC",
        help='a setting, such as "alpha=0.1 layers=10-20", "NAME: alpha=0.1", "paper" or a JSON '
        "file; give it again for several",
    )
    parser.add_argument("--baseline-only", action="store_true", help="no setting at all")


def setting_from(args: argparse.Namespace, model_folder: Path | None) -> ChosenSetting:
    """Return the setting: options, over ``--settings``, else the folder's ``mata.json``, else MATA.

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
    given: dict[str, Any] = {
        name: getattr(args, name) for name in OPTIONS if getattr(args, name) is not None
    }
    if not given:
        return ChosenSetting(default, origin)
    origin = f"{', '.join(f'--{name}' for name in given)}; the rest {origin}"
    unset = {"layers": "paper", "heads": "all"}
    changes: dict[str, Any] = {
        name: None if unset.get(name) == value else value for name, value in given.items()
    }
    if default.gains is not None and changes.keys() & {"layers", "heads"}:
        changes = {"gains": None, "alpha": None, **changes}
    return ChosenSetting(replace(default, **changes), origin)


def setting_of(model_folder: Path | None) -> MATA | None:
    """Return the setting in a model folder's ``mata.json``, if there is one."""
    path = None if model_folder is None else model_folder / "mata.json"
    return MATA.load(path) if path is not None and path.is_file() else None
