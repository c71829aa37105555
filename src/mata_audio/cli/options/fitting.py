"""The options that say what gains are fitted, and how."""

from __future__ import annotations

import argparse
from typing import TYPE_CHECKING, Any

from mata_audio.cli.parser import add_number

if TYPE_CHECKING:
    from mata_audio.evaluation.choosing.fitting import Fitting

_AS_THEY_ARE = ("shape", "folds", "steps", "penalty", "spread_penalty", "hold")


def add_fitting_options(parser: argparse.ArgumentParser) -> None:
    """Add the options that :func:`fitting_from` reads."""
    group = parser.add_argument_group("fitting, for tune")
    group.add_argument(
        "--kinds",
        metavar="LIST",
        help="what is fitted: formulas with the keys that they change, as in "
        "mass:audio,add:text,value:text+special (default: mass:audio)",
    )
    group.add_argument(
        "--shape",
        choices=("per-head", "per-layer", "shared"),
        help="a gain for each layer and head, for each layer, or one for all (default: per-head)",
    )
    group.add_argument(
        "--with-contrast",
        action="store_true",
        help="fit the weight of a contrast with the unheard answer beside the gains",
    )
    group.add_argument(
        "--keep",
        metavar="KEY=GROUP",
        action="append",
        help='a group that must not lose, as in "sub-category=caption agrees"; repeatable',
    )
    add_number(group, "--folds", "average the fits that keep each of N parts back (default: 1)")
    add_number(group, "--steps", "largest number of steps (default: 40)")
    add_number(group, "--fit-seed", "seed for the items that decide when to stop (default: 1)")
    for name, text in (
        ("--penalty", "penalty on the mean squared gain (default: 0.02)"),
        ("--spread-penalty", "penalty on gains' distance from their mean (default: 0)"),
        ("--hold", "penalty on moving away from right answers (default: 0)"),
    ):
        group.add_argument(name, type=float, metavar="X", help=text)


def fitting_from(args: argparse.Namespace) -> Fitting | None:
    """Return how to fit; None if no option says anything about it.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    from mata_audio.evaluation.choosing.fitting import Fitting, read_keep, read_kinds

    given: dict[str, Any] = {
        name: getattr(args, name) for name in _AS_THEY_ARE if getattr(args, name) is not None
    }
    if args.kinds is not None:
        given["kinds"] = read_kinds(args.kinds)
    if args.with_contrast:
        given["contrast"] = True
    if args.keep is not None:
        given["keep"] = read_keep(args.keep)
    if args.fit_seed is not None:
        given["seed"] = args.fit_seed
    return Fitting(**given) if given else None
