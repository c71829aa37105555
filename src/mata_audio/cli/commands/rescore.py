"""``mata rescore``: read and score a run's raw answers again, without the model."""

from __future__ import annotations

import argparse
from pathlib import Path

from mata_audio.cli.options.run import READERS_HELP
from mata_audio.cli.terminal import show

HELP = "read and score a run's answers again, without the model"

DESCRIPTION = """\
Read the raw answers of a run with another answer reader, score them again, and replace the results
in the run's folder. The model is not needed.
"""

EXAMPLES = """\
examples:
  mata rescore runs/omni-mmau --reader final-line+letter
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a run")
    parser.add_argument("--reader", required=True, metavar="NAME", help=READERS_HELP)
    parser.add_argument("--data", metavar="PATH", help="where the benchmark is now, if it moved")


def run(args: argparse.Namespace) -> int:
    """Print the tables of the new scores.

    Raises:
        RunError: there is no run, or its questions have changed.
        TemplateError: there is no such reader.
    """
    from mata_audio.evaluation.results.stored_run import rescore
    from mata_audio.evaluation.results.tables import as_text

    results = rescore(args.folder, args.reader, args.data)
    show("\n\n".join([as_text(results), *results.notes]))
    return 0
