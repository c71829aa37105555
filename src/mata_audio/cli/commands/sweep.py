"""``mata sweep``: many settings from one prefill, and the winner's result on other items."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.options.executor import add_executor_options, executor_from
from mata_audio.cli.options.run import (
    add_benchmark_options,
    add_choosing_options,
    add_run_options,
    alphas_from,
    options_from,
    parts,
)
from mata_audio.cli.progress import RunProgress, note
from mata_audio.cli.terminal import show
from mata_audio.errors import SettingsError
from mata_audio.methods import METHODS
from mata_audio.steering.formulas import FORMULAS

if TYPE_CHECKING:
    from mata_audio.evaluation.sweep import Sweep
    from mata_audio.settings.named import NamedSetting

OWN_OPTIONS = {
    "alpha": "--alphas",
    "layers": "--layers",
    "formula": "--formulas",
    "heads": "--heads",
    "rows": "--rows",
}
"""Fields whose values have an option of their own."""

HELP = "try many settings on a benchmark, each item from one prefill"

DESCRIPTION = """\
Run every setting of a grid or preset on every item, all from one prefill. Rank the settings on one
part of the items and report the winner on the rest, the held-out items.
"""

EXAMPLES = """\
examples:
  mata sweep tiny --task tiny --split tune --out runs/sweep --alphas 0.5,1,2 \\
             --layers 0-3 3-7 8-11
  mata sweep Qwen/Qwen2.5-Omni-7B --task mmau --data MMAU --out runs/layers \\
             --preset paper-layers
  mata sweep tiny --task tiny --split tune --out runs/two --methods mass,contrast \\
             --alphas 0.5,1,2 --grid power=0,2

Settings are ranked on half of the items, and the winner's result is for the other half. If it is
better than the baseline there too, the winner is saved as FOLDER/winner.json, for --settings. To
resume a stopped sweep, run the command again.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_benchmark_options(parser)
    group = parser.add_argument_group("grid")
    group.add_argument(
        "--methods",
        metavar="LIST",
        help=f"methods to try, each with the fields it has, out of {','.join(METHODS)} (default: "
        "mata)",
    )
    group.add_argument("--alphas", metavar="LIST", help="strengths to try, such as 0.05,0.1")
    group.add_argument(
        "--layers",
        nargs="+",
        metavar="RANGE",
        help='layers to try, such as 0-10 10-20 3,5; or "paper"',
    )
    group.add_argument(
        "--formulas", metavar="LIST", help=f"formulas to try, out of {','.join(FORMULAS)}"
    )
    group.add_argument(
        "--heads",
        nargs="+",
        metavar="RANGE",
        help='query heads to try, such as 0-7 8-15; or "all"',
    )
    group.add_argument(
        "--rows",
        nargs="+",
        metavar="NAME",
        help="query rows of the prompt to try, such as last all after-audio last-8 random-8; each "
        "one other than last costs a prefill",
    )
    group.add_argument(
        "--grid",
        action="append",
        default=[],
        metavar="FIELD=LIST",
        help="values to try of any other field, such as power=0,1,2; repeat for several fields",
    )
    group.add_argument(
        "--preset",
        metavar="NAME",
        help="instead of a grid: paper-layers, paper-alpha, targets, formulas, single-layers, "
        "collapse or methods",
    )
    add_choosing_options(parser.add_argument_group("choosing"))
    add_run_options(parser)
    add_executor_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run or resume the sweep, and print the winner's result and the ranking.

    Raises:
        MataError: something is wrong; its class says what.
    """
    from mata_audio.evaluation.results.tables import as_text
    from mata_audio.evaluation.running.plan import make_plan
    from mata_audio.evaluation.sweep.sweep import sweep_plan
    from mata_audio.families import locate
    from mata_audio.models.finding import find_model, skeleton
    from mata_audio.storage.run_folder import RunFolder

    options, executor = options_from(args), executor_from(args)
    found = find_model(args.model, trust_remote_code=args.trust_remote_code)
    settings = _settings(args, locate(skeleton(found)).depth)
    plan = make_plan(args.model, args.task, args.data, settings, options)
    note(
        f"{found.name} on {plan.task.title} {plan.dataset.split}: {len(plan.items):,} items, "
        f"{len(settings)} settings"
    )
    with RunProgress() as progress:
        result = sweep_plan(
            plan,
            RunFolder(args.out),
            args.tuning_share,
            args.split_seed,
            progress.show,
            executor=executor,
        )
    show("\n\n".join([as_text(result.results), *result.results.notes, ending(result, args.out)]))
    return 0


def ending(result: Sweep, out: Path) -> str:
    """Say where the files are, and hand over the winner only if it is recommended."""
    from mata_audio.evaluation.results.stored_run import WINNER

    setting = (
        f"there is no {WINNER}, as no setting is recommended"
        if result.recommended is None
        else f"the winner is {out / WINNER}, for --settings"
    )
    return f"Written to {out}; {setting}. For an HTML page: mata report {out}"


def _settings(args: argparse.Namespace, depth: int) -> list[NamedSetting]:
    from mata_audio.evaluation.sweep.grid import grid, preset

    axes = {
        "alphas": None if args.alphas is None else alphas_from(args.alphas),
        "layers": args.layers,
        "formulas": None if args.formulas is None else parts(args.formulas),
        "heads": args.heads,
        "rows": args.rows,
        **_other_axes(args.grid),
    }
    methods = None if args.methods is None else parts(args.methods)
    asked = methods is not None or any(axis is not None for axis in axes.values())
    if args.preset is not None:
        if asked:
            raise SettingsError(
                "--preset replaces the grid: leave out --alphas, --layers, --formulas, --heads, "
                "--rows, --grid and --methods"
            )
        return preset(args.preset, depth)
    if not asked:
        raise SettingsError(
            "the grid is empty: give --methods, --alphas, --layers, ... or --preset"
        )
    return grid(**axes, methods=("mata",) if methods is None else methods)


def _other_axes(given: Sequence[str]) -> dict[str, list[str]]:
    """Read each ``--grid FIELD=LIST``.

    Raises:
        SettingsError: another form, a field twice, or one that has an option of its own.
    """
    found: dict[str, list[str]] = {}
    for text in given:
        name, equals, values = text.partition("=")
        if not (name and equals and parts(values)):
            raise SettingsError(f"cannot read --grid {text!r}: write --grid FIELD=VALUE,VALUE")
        if name in OWN_OPTIONS:
            raise SettingsError(f"--grid {text}: give {OWN_OPTIONS[name]} instead")
        if name in found:
            raise SettingsError(f"--grid {name}= is given twice; leave one out")
        found[name] = parts(values)
    return found
