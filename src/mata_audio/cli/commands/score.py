"""``mata score``: print what a benchmark's official scorer prints for a prediction file."""

from __future__ import annotations

import argparse
import sys

from mata_audio.cli.terminal import plain
from mata_audio.evaluation.tasks import WITH_OFFICIAL_SCRIPT, official_output

HELP = "score a prediction file as its benchmark does"

DESCRIPTION = """\
Print exactly what the benchmark's official scoring script prints for a prediction file. The model
is not needed.
"""

EXAMPLES = """\
examples:
  mata score mmau predictions.json
  mata score mmsu predictions.jsonl
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "benchmark",
        metavar="BENCHMARK",
        choices=WITH_OFFICIAL_SCRIPT,
        help=f"one of {', '.join(WITH_OFFICIAL_SCRIPT)}",
    )
    parser.add_argument("file", metavar="FILE", help="predictions, in the official script's format")


def run(args: argparse.Namespace) -> int:
    """Print the official output and nothing else: to the byte, but plain on a terminal.

    Raises:
        ScoringError: the official script would crash on the file or on one of its records.
    """
    output = official_output(args.benchmark, args.file)
    sys.stdout.write(plain(output) if sys.stdout.isatty() else output)
    return 0
