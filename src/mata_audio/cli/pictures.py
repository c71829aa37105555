"""``mata pictures``: a run, or a sweep, as pictures."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mata_audio.evaluation.results import Results

EXAMPLE = """\
examples:
  mata pictures runs/omni-mmau
  mata pictures runs/sweep --out figures

Each picture is written as SVG, with its text as text, and as PNG. It needs Matplotlib:
pip install 'mata-audio[pictures]'
"""


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "pictures",
        help="draw pictures of a run or a sweep",
        description="Draw a finished run: accuracy by group, and answers gained and lost. Of a "
        "sweep also layers against alpha, and the ranking with the winner on the rest.",
        epilog=EXAMPLE,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to write them (default: RUN/pictures)"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the pictures and print where they are.

    Raises:
        RunError: there is no finished run, or what is stored of its sweep does not fit it.
        DataError: none of its items was scored.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    from mata_audio.evaluation.analysis.results_file import load_results
    from mata_audio.evaluation.results import BASELINE
    from mata_audio.evaluation.sweep.sweep import stored_sweep
    from mata_audio.pictures import accuracy, gained_and_lost, heatmap, ranking, save

    results = load_results(args.folder)
    folder = args.folder if args.folder.is_dir() else args.folder.parent
    out = args.out or folder / "pictures"
    compared = [setting.name for setting in results.settings if setting.name != BASELINE]
    figures: dict[str, Any] = {}
    swept = stored_sweep(results, folder)
    if swept is not None:
        figures["heatmap"] = heatmap(swept)
        figures["ranking"] = ranking(swept)
        # All settings by group would be too much to look at.
        compared = list(swept.ranking[:1])
        results = _marked(results, compared)
    figures["accuracy"] = accuracy(results, compared)
    if compared:
        figures["gained_and_lost"] = gained_and_lost(results, compared)
    for name, figure in figures.items():
        for path in save(figure, out / name):
            print(path)
    return 0


def _marked(results: Results, names: list[str]) -> Results:
    """Say of settings that they were chosen on these items, which a sweep's results leave out."""
    settings = (
        replace(setting, tuned_on_these_items=True) if setting.name in names else setting
        for setting in results.settings
    )
    return replace(results, settings=tuple(settings))
