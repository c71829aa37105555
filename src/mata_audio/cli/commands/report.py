"""``mata report``: a run as one self-contained HTML page."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.progress import note
from mata_audio.cli.terminal import show

if TYPE_CHECKING:
    from mata_audio.evaluation.report import Picture
    from mata_audio.evaluation.results.results import Results

HELP = "make an HTML page of a run"

DESCRIPTION = """\
Write one self-contained HTML page: figures, tables, pictures, and a browser over all items with
their audio and answers. It needs no network and no server. Pictures are those of a sweep, and the
SVG files in RUN/pictures except accuracy and gained_and_lost, which repeat the tables.
"""

EXAMPLES = """\
examples:
  mata report runs/omni-mmau
  mata report runs/tiny --clips none --html tiny.html
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("folder", type=Path, metavar="RUN", help="folder of a finished run")
    parser.add_argument(
        "--html", type=Path, metavar="FILE", help="where to write it (default: RUN/report.html)"
    )
    parser.add_argument(
        "--clips",
        choices=("auto", "embed", "some", "link", "none"),
        default="auto",
        help="embed all clips in the page, or some (up to 20 MB, changed answers first), or link "
        "to files; auto embeds all up to 20 MB, otherwise links (auto)",
    )
    parser.add_argument("--data", metavar="PATH", help="where the benchmark is now, if it moved")


def run(args: argparse.Namespace) -> int:
    """Write the page and print where it is.

    Raises:
        RunError: there is no finished run.
    """
    from mata_audio.errors import MataError
    from mata_audio.evaluation.report import ClipMedia, render_report, report_clips
    from mata_audio.evaluation.results.results_file import load_results
    from mata_audio.evaluation.results.stored_run import open_run, with_sittings
    from mata_audio.storage.atomic_file import write_atomically

    results = with_sittings(load_results(args.folder), args.folder)
    page = args.html or args.folder / "report.html"
    clips: dict[str, list[ClipMedia]] = {}
    why_absent = "This page was made without the clips (--clips none)."
    if args.clips != "none":
        why_absent = ""
        try:
            dataset = open_run(args.folder, args.data).dataset
            clips = report_clips(results, dataset, page, args.clips)
        except MataError as error:
            note(f"warning: the page has no audio: {error}")
            why_absent = f"The benchmark could not be opened when this page was made: {error}."
    pictures = _pictures(results, args.folder)
    write_atomically(page, render_report(results, clips, pictures, why_absent=why_absent))
    show(page)
    return 0


def _pictures(results: Results, run: Path) -> list[Picture]:
    """Return the pictures of a sweep, if they can be drawn, and those in the run's folder."""
    from mata_audio.evaluation.report import REPEATED, page_pictures
    from mata_audio.pictures import MissingMatplotlibError, content, pictures_of_run
    from mata_audio.pictures.of_run import FOLDER, run_folder

    folder = run_folder(run)
    drawn: dict[str, bytes] = {}
    missing = ""
    try:
        figures = pictures_of_run(results, without=REPEATED)
        drawn = {name: content(figure) for name, figure in figures.items()}
    except MissingMatplotlibError as error:
        missing = str(error)
    pictures = page_pictures(drawn, folder / FOLDER)
    if missing and not pictures:
        note(f"the page has no pictures: {missing}")
    return pictures
