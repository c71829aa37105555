"""``mata compare``: two runs on the same items, paired."""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.terminal import show

if TYPE_CHECKING:
    from mata_audio.evaluation.results.compare import Comparison, Side
    from mata_audio.evaluation.results.results import Results

HELP = "compare two runs on the same items"

DESCRIPTION = """\
Pair two runs item by item: gained, lost, exact McNemar p, interval of the difference. Runs on
different items or data are refused. Without :SETTING, every setting that both runs have is compared
with the one of that name.
"""

EXAMPLES = """\
examples:
  mata compare runs/a runs/b
  mata compare runs/a:baseline runs/b:MATA
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("first", metavar="RUN[:SETTING]", help="folder of a finished run")
    parser.add_argument(
        "second", metavar="RUN[:SETTING]", help="another; differences are second minus first"
    )


def run(args: argparse.Namespace) -> int:
    """Print a table for each pair of settings.

    Raises:
        RunError: the runs cannot be paired; the message says why.
    """
    from mata_audio.errors import RunError
    from mata_audio.evaluation.results.compare import compare_runs
    from mata_audio.evaluation.results.results_file import load_results

    (first_path, first_setting), (second_path, second_setting) = map(
        _parsed, (args.first, args.second)
    )
    first, second = load_results(first_path), load_results(second_path)
    if (first_setting is None) != (second_setting is None):
        raise RunError("name the setting of both runs, RUN:SETTING, or of neither")
    pairs = (
        _common(first, second)
        if first_setting is None or second_setting is None
        else [(first_setting, second_setting)]
    )
    shown = [
        text(compare_runs(first, second, before, after), first_path, second_path)
        for before, after in pairs
    ]
    show("\n\n".join(shown))
    return 0


def _parsed(argument: str) -> tuple[Path, str | None]:
    path = Path(argument)
    if path.exists() or ":" not in argument:
        return path, None
    folder, _, setting = argument.partition(":")
    return Path(folder), setting


def _common(first: Results, second: Results) -> list[tuple[str, str]]:
    others = {setting.name for setting in second.settings}
    return [(s.name, s.name) for s in first.settings if s.name in others]


def text(comparison: Comparison, first: Path, second: Path) -> str:
    """Return the comparison as a table, with notes below it."""
    from mata_audio.evaluation.results.cells import paired_cells
    from mata_audio.evaluation.results.number_format import percent
    from mata_audio.evaluation.results.table import Line, Table, table_text
    from mata_audio.evaluation.results.tables import tuned_mark

    lines = [
        Line(
            group.heading,
            group.name,
            (
                f"{group.paired.n:,}",
                percent(group.first.value),
                percent(group.second.value),
                *paired_cells(group.paired),
            ),
        )
        for group in comparison.groups
    ]
    columns = ("n", "first", "second", "difference", "95 % interval", "gained", "lost", "p")
    sides = ((first, comparison.first), (second, comparison.second))
    title = "  against  ".join(
        f"{path}: {side.setting.name}{tuned_mark(side.setting)}" for path, side in sides
    )
    parts = [table_text(Table(title, columns, tuple(lines)))]
    if comparison.left_out:
        parts.append(f"{comparison.left_out:,} items without a scored answer in both are left out.")
    if comparison.chosen_on:
        parts.append(f"{comparison.chosen_on:,} items that a setting was chosen on are left out.")
    if any(side.accuracy.n != comparison.groups[-1].paired.n for _, side in sides):
        parts.append(f"Accuracy over all answers that count: {_own(sides)}.")
    if comparison.of_settings:
        name = comparison.first.setting.name
        parts.append(f"The settings called {name} differ: {'; '.join(comparison.of_settings)}.")
    if comparison.differences:
        parts.append("The runs also differ: " + "; ".join(comparison.differences) + ".")
    return "\n\n".join(parts)


def _own(sides: Sequence[tuple[Path, Side]]) -> str:
    """Return each setting's accuracy over its own answers, and how many do not count."""
    from mata_audio.evaluation.results.number_format import percent

    return ", ".join(
        f"{place} {percent(side.accuracy.value)} % of {side.accuracy.n:,} "
        f"({side.left_out:,} left out)"
        for place, (_, side) in zip(("first", "second"), sides, strict=True)
    )
