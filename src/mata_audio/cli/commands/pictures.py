"""``mata pictures``: draw pictures of a run or a sweep."""

from __future__ import annotations

import argparse
from pathlib import Path

from mata_audio.cli.terminal import show

HELP = "draw pictures of a run or a sweep"

DESCRIPTION = """\
Draw a finished run: accuracy by group, and answers gained and lost. For a sweep, also draw layers
against alpha, and the ranking with the winner's result on the held-out items.
"""

EXAMPLES = """\
examples:
  mata pictures runs/omni-mmau
  mata pictures runs/sweep --out figures

Each picture is written as SVG (its text stays text) and as PNG. This needs Matplotlib:
pip install 'mata-audio[pictures]'
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--out", type=Path, metavar="FOLDER", help="where to write them (default: RUN/pictures)"
    )


def run(args: argparse.Namespace) -> int:
    """Write the pictures and print their paths.

    Raises:
        RunError: there is no finished run.
        DataError: none of its items was scored.
        MissingMatplotlibError: Matplotlib is not installed.
    """
    from mata_audio.evaluation.results.results_file import load_results
    from mata_audio.pictures import pictures_of_run, save
    from mata_audio.pictures.of_run import FOLDER, run_folder

    folder = run_folder(args.folder)
    out = args.out or folder / FOLDER
    for name, figure in pictures_of_run(load_results(args.folder)).items():
        for path in save(figure, out / name):
            show(path)
    return 0
