"""``mata score``: what a benchmark's official scorer prints for a prediction file."""

from __future__ import annotations

import argparse
import sys
from typing import Any

BENCHMARKS = ("mmau", "mmar", "mmsu", "air-bench")

EXAMPLE = """\
examples:
  mata score mmau predictions.json
  mata score mmsu predictions.jsonl
"""


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "score",
        help="score a prediction file as its benchmark does",
        description="Print what the benchmark's official scoring script prints for a prediction "
        "file, to the byte. No model is needed.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "benchmark", metavar="BENCHMARK", choices=BENCHMARKS, help=f"one of {', '.join(BENCHMARKS)}"
    )
    parser.add_argument(
        "file", metavar="FILE", help="predictions, as the official script reads them"
    )
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the official output and nothing else.

    Raises:
        ScoringError: a file or a record that the official script would crash on.
    """
    from mata_audio.evaluation.scoring.prediction_files import official_output

    sys.stdout.write(official_output(args.benchmark, args.file))
    return 0
