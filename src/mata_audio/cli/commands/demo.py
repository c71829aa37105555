"""``mata demo``: baseline against MATA on the embedded model's held-out benchmark."""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

from mata_audio.cli.options.setting import add_setting_options
from mata_audio.cli.progress import note

ITEMS = 2_412
OUT = Path("runs/demo")
SPLIT = "test"

EXAMPLE = """\
examples:
  mata demo
  mata demo --items 200 --json demo.json
  mata demo --alpha 0.1 --layers paper --heads all
"""


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "demo",
        help="try MATA on the embedded model, without a network",
        description="Run the small model that comes with this package over its held-out questions "
        "about sound, music and speech, without and with MATA, and compare. "
        "Pictures and an HTML page of it are written too. No network is used.",
        epilog=EXAMPLE,
    )
    parser.add_argument(
        "--items", type=int, default=ITEMS, metavar="N", help=f"questions (default: all {ITEMS:,})"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="FOLDER",
        help=f"of report.html and pictures; an earlier demo's are replaced ({OUT})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    parser.add_argument(
        "--keep", type=Path, metavar="FOLDER", help="keep the clips in this new or empty folder"
    )
    add_setting_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print the comparison; write its page and pictures, and it as JSON where asked.

    Raises:
        SettingsError: a setting or option that is not allowed.
        OSError: a file or folder cannot be written.
    """
    from mata_audio.cli.options.setting import setting_from
    from mata_audio.cli.quiet import quiet_libraries, use_one_thread
    from mata_audio.storage.atomic_file import write_atomically
    from mata_audio.tiny import MODEL_PATH

    start = time.monotonic()
    _check(args)
    setting = setting_from(args, MODEL_PATH)

    quiet_libraries(getattr(args, "debug", False))
    from mata_audio.cli.commands.benchmark_run import run_benchmark, write_clips
    from mata_audio.cli.commands.demo_page import write_page
    from mata_audio.cli.commands.demo_report import Report
    from mata_audio.evaluation.results.outcome import make_results
    from mata_audio.evaluation.results.results import SettingResult
    from mata_audio.evaluation.tasks.tiny import Tiny
    from mata_audio.families import locate
    from mata_audio.models.finding import TINY
    from mata_audio.models.loading import load
    from mata_audio.settings.in_words import describe_on
    from mata_audio.settings.named import BASELINE

    note("loading the embedded model")
    use_one_thread()
    loaded = load(TINY, device="cpu")
    description = describe_on(setting.mata, locate(loaded.model))
    dataset = Tiny().load(None, SPLIT)
    dataset = replace(dataset, items=dataset.items[: args.items])
    with tempfile.TemporaryDirectory(prefix="mata-demo-") as temporary:
        clips = write_clips(Path(args.keep or temporary), dataset.items)
        run = run_benchmark(loaded, setting.mata, dataset.items, clips)
        settings = [SettingResult(BASELINE, "", None), SettingResult("MATA", description, {})]
        results = make_results(Tiny(), dataset, run.lines, settings, Tiny.reader, run={})
        report = Report(setting, results, run.receipt, time.monotonic() - start)
        written = write_page(
            args.out, loaded, setting.mata, dataset, run.prompts, results, report.example.id, clips
        )
    if args.json is not None:
        write_atomically(args.json, json.dumps(report.as_data(), indent=1) + "\n")
    print(report.as_text(written))
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what would fail only at the end of the run; make the folder of the page."""
    from mata_audio.errors import SettingsError

    if not 1 <= args.items <= ITEMS:
        raise SettingsError(f"--items must be 1 to {ITEMS}; got {args.items}")
    if args.json is not None and (args.json.is_dir() or not args.json.absolute().parent.is_dir()):
        raise SettingsError(f"--json {args.json}: not a file in a folder that exists")
    keep = args.keep
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise SettingsError(f"--keep {keep}: give a new or empty folder")
    try:
        args.out.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(
            f"--out {args.out} cannot be made ({error.strerror}): give another folder"
        ) from error
