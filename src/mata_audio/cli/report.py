"""``mata report``: a run as one self-contained HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

from mata_audio.cli.progress import note

EXAMPLE = """\
examples:
  mata report runs/omni-mmau
  mata report runs/tiny --audio none --html tiny.html
"""


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "report",
        help="make an HTML page of a run",
        description="Write one self-contained HTML page: figures, plots, tables, and a browser "
        "over all items with their audio and both answers. It needs no network and no server.",
        epilog=EXAMPLE,
    )
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="where to write it (default: RUN/report.html)"
    )
    parser.add_argument(
        "--audio",
        choices=("auto", "embed", "link", "none"),
        default="auto",
        help="clips in the page, or linked as files; auto embeds up to 20 MB (auto)",
    )
    parser.add_argument("--data", metavar="PATH", help="where the benchmark is now, if it moved")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Write the page and print where it is.

    Raises:
        RunError: there is no finished run.
    """
    from mata_audio.errors import MataError
    from mata_audio.evaluation.analysis.report_clips import report_clips
    from mata_audio.evaluation.analysis.results_file import load_results
    from mata_audio.evaluation.analysis.stored_run import open_run
    from mata_audio.evaluation.report import ClipMedia, render_report
    from mata_audio.files import write_atomically

    results = load_results(args.folder)
    page = args.html or args.folder / "report.html"
    clips: dict[str, list[ClipMedia]] = {}
    if args.audio != "none":
        try:
            dataset = open_run(args.folder, args.data).dataset
            clips = report_clips(results, dataset, page, args.audio)
        except MataError as error:
            note(f"warning: the page has no audio: {error}")
    write_atomically(page, render_report(results, clips))
    print(page)
    return 0
