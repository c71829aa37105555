"""``mata reproduce``: the paper's tables, published figures next to measured ones."""

from __future__ import annotations

import argparse
import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.options.files import check_folder
from mata_audio.cli.options.model import add_loading_options
from mata_audio.cli.options.run import add_running_options, given_options
from mata_audio.cli.progress import RunProgress, note
from mata_audio.cli.terminal import show
from mata_audio.errors import SettingsError

if TYPE_CHECKING:
    from mata_audio.evaluation.reproduction.checks import TableCheck

HELP = "run the paper's tables; compare published and measured"

DESCRIPTION = """\
Run the tables of the MATA paper (arXiv 2509.18816) for the models and data you have, and print its
figures next to the measured ones, with differences and intervals.
"""

EXAMPLES = """\
examples:
  mata reproduce paper --data mmau=path/to/MMAU --data mmar=path/to/MMAR --out runs/paper
  mata reproduce paper --data path/to/benchmarks --out runs/paper --only qwen2-audio --items 100
  mata reproduce paper --data mmau=path/to/MMAU --out runs/paper \\
            --model qwen2.5-omni=path/to/Qwen2.5-Omni-7B
  mata reproduce paper --data path/to/benchmarks --out runs/paper --dry-run

models: qwen2-audio, qwen2.5-omni, ke-omni-r
data:   mmau (a folder with both splits), or mmau-test-mini and mmau-test; mmar

Missing models and data are listed at once, with how to get them; the rest is run. To resume a
stopped command, run it again.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("what", choices=("paper",), metavar="paper", help="the MATA paper")
    parser.add_argument(
        "--data",
        action="append",
        default=[],
        metavar="PATH",
        help="a folder with subfolders named MMAU and MMAR; or KEY=PATH, a benchmark's folder or "
        "hub id, repeated for several",
    )
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="folder for runs and tables"
    )
    parser.add_argument(
        "--model",
        action="append",
        default=[],
        metavar="KEY=PATH",
        help="where a model is (default: its hub id); repeat for several",
    )
    parser.add_argument(
        "--only",
        action="append",
        metavar="KEY",
        help="only this model; repeat for several",
    )
    parser.add_argument(
        "--no-ablations",
        action="store_true",
        help="skip the paper's other layers and alphas; for one --out use it always or never",
    )
    parser.add_argument(
        "--dry-run",
        action="store_true",
        help="show what would be run and written, and what is missing, and run nothing; the exit "
        "code is 0 if nothing is missing, else 1",
    )
    add_running_options(parser)
    add_loading_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run or resume the tables, print them and write them to ``--out``.

    Raises:
        MataError: something is wrong; its class says what.
    """
    from mata_audio.evaluation.reproduction.checks import check_tables, missing_lines, notes

    check_folder("--out", args.out)
    data, models = data_from(args.data), pairs("--model", args.model)
    # Everything that is missing is said before PyTorch is even imported.
    checks = check_tables(args.out, data, models, args.only, args.limit, note)
    tell = show if args.dry_run else note
    for line in [*missing_lines([m for check in checks for m in check.missing]), *notes(checks)]:
        tell(line)
    ready = sum(not check.missing for check in checks)
    note(f"{ready} of {len(checks)} tables can be run" + (": making their plans" if ready else ""))
    if args.dry_run:
        return _dry_run(args, checks)

    from mata_audio.evaluation.reproduction.file import write_reproduction
    from mata_audio.evaluation.reproduction.reproduce import reproduce
    from mata_audio.evaluation.reproduction.tables import as_text

    with RunProgress() as progress:
        reproduction = reproduce(
            args.out,
            data,
            models,
            only=args.only,
            ablations=not args.no_ablations,
            report=lambda table, own: progress.show(own, table.title),
            checks=checks,
            **given_options(args),
        )
    paths = write_reproduction(reproduction, args.out)
    show(as_text(reproduction))
    show(f"\nWritten to {paths[0]} and {paths[1]}.")
    return 0 if reproduction.measured and not reproduction.failed else 1


def _dry_run(args: argparse.Namespace, checks: Sequence[TableCheck]) -> int:
    """Print what would be run, and return whether anything is missing."""
    if all(check.missing for check in checks):
        show("Nothing can be run.")
        return 1

    from mata_audio.evaluation.reproduction.checks import missing_lines
    from mata_audio.evaluation.reproduction.dry_run import as_text
    from mata_audio.evaluation.reproduction.reproduce import common_options, plan_tables

    common = common_options(given_options(args))
    planned, missing = plan_tables(args.out, checks, common, not args.no_ablations)
    told = [each for check in checks for each in check.missing]
    for line in missing_lines([each for each in missing if each not in told]):
        show(line)
    show(as_text(args.out, planned))
    return 1 if missing or any(check.notes for check in checks) else 0


def pairs(option: str, given: list[str]) -> dict[str, str]:
    """Read ``KEY=PATH`` options.

    Raises:
        SettingsError: another form, or a repeated key.
    """
    found: dict[str, str] = {}
    for text in given:
        key, equals, path = text.partition("=")
        if not (key and equals and path):
            raise SettingsError(f"cannot read {option} {text!r}: write {option} KEY=PATH")
        if key in found:
            raise SettingsError(f"{option} {key}= is given twice; leave one out")
        found[key] = os.path.expanduser(path)  # shells do not expand the ~ in KEY=~/PATH
    return found


def data_from(given: list[str]) -> dict[str, str]:
    """Read ``--data``: ``KEY=PATH``, or a folder with a subfolder for each key.

    Raises:
        SettingsError: another form, a folder without such subfolders, or a repeated key.
    """
    from mata_audio.evaluation.reproduction.checks import data_keys

    keys = data_keys()
    written: list[str] = []
    for text in given:
        folder = Path(text).expanduser()
        if text.partition("=")[0] in keys or not folder.is_dir():
            written.append(text)
            continue
        inside = sorted(entry for entry in folder.iterdir() if entry.is_dir())
        named = [f"{entry.name.lower()}={entry}" for entry in inside if entry.name.lower() in keys]
        if not named:
            raise SettingsError(
                f"--data {text} has no subfolder named {', '.join(keys)} (upper or lower case); "
                "for the folder of one benchmark write --data mmau=PATH"
            )
        written += named
    return pairs("--data", written)
