"""``mata demo``: baseline against MATA, or another method, on the embedded benchmark."""

from __future__ import annotations

import argparse
import json
import tempfile
import textwrap
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mata_audio.cli.demo.example import choose_example, gained_by
from mata_audio.cli.demo.own_files import OwnFiles
from mata_audio.cli.demo.page import BATCH, FILES, PAGE, write_page
from mata_audio.cli.options.setting import add_setting_options, setting_from
from mata_audio.cli.progress import note
from mata_audio.cli.terminal import show
from mata_audio.errors import SettingsError
from mata_audio.settings.deciding import FROM_OWN_FILE, ChosenSetting
from mata_audio.settings.embedded import BEST
from mata_audio.settings.named import NamedSetting
from mata_audio.tiny import MODEL_PATH, TINY

if TYPE_CHECKING:
    from mata_audio.evaluation.item import Item
    from mata_audio.evaluation.results.results import ItemResult, Results
    from mata_audio.steering.receipt import Receipt

ITEMS = 2_412
OUT = Path("runs/demo")
WIDTH = 100

HELP = "try MATA on the embedded model, without a network"

DESCRIPTION = """\
Run the small model that comes with this package over its held-out questions about sound, music and
speech, without and with MATA, and compare; beside it the best rule of our own, mass. With a method
or setting of your choice, only that is compared. Pictures and an HTML page are written too. No
network is used.
"""

EXAMPLES = """\
examples:
  mata demo
  mata demo --items 200 --json demo.json
  mata demo --alpha 0.1 --layers paper --heads all
  mata demo --method contrast --items 200
"""

NOTES = """\
Accuracy in %. The interval is Tango's 95 % score interval of the difference; p is an exact
McNemar test of gained against lost, each row by itself. Same batches, same kernels, greedy."""

NEXT = """\
Next
  mata demo --items 200 --alpha 0.1 --layers paper --heads all     the paper's setting, here
  mata demo --items 200 --keep-clips clips                         keep the clips, then:
  mata ask tiny "Which sound is this?" --audio clips/tiny-test-0-000000.wav
  mata eval tiny --task tiny --out runs/tiny                       the same, kept and resumable
  mata report runs/tiny                                            its page
  mata ask Qwen/Qwen2-Audio-7B-Instruct "What do you hear?" --audio YOUR.wav"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "--items", type=int, default=ITEMS, metavar="N", help=f"questions (default: all {ITEMS:,})"
    )
    parser.add_argument(
        "--out",
        type=Path,
        default=OUT,
        metavar="FOLDER",
        help=f"for report.html and pictures; only an earlier demo's files are replaced ({OUT})",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    parser.add_argument(
        "--keep-clips",
        type=Path,
        metavar="FOLDER",
        help="keep the clips in this new or empty folder",
    )
    add_setting_options(parser)
    parser.set_defaults(model=TINY)


def run(args: argparse.Namespace) -> int:
    """Print the comparison; write its page and pictures, and it as JSON where asked.

    Raises:
        SettingsError: a setting or option that is not allowed.
        OSError: a file or folder cannot be written.
    """
    start = time.monotonic()
    _check(args)
    setting = setting_from(args, MODEL_PATH)

    from mata_audio.cli.progress import RunProgress
    from mata_audio.evaluation.running.evaluate import run_plan
    from mata_audio.evaluation.running.plan import Options, make_plan
    from mata_audio.models.loading import load
    from mata_audio.storage.atomic_file import write_atomically
    from mata_audio.storage.run_folder import RunFolder

    note("loading the embedded model")
    loaded = load(TINY, device="cpu")
    options = Options(limit=args.items, batch_size=BATCH)
    compared = _compared(setting)
    plan = make_plan(loaded, TINY, None, compared, options)
    files = _make(args.out)
    if args.keep_clips is not None:
        _keep(plan.items, args.keep_clips)
    with tempfile.TemporaryDirectory(prefix="mata-demo-") as folder, RunProgress() as shown:
        results = run_plan(plan, RunFolder(folder), shown.show)
    assert shown.latest is not None
    receipts = {own.name: shown.latest.receipts[own.name] for own in compared}
    seconds = time.monotonic() - start
    found = _Found(
        setting.origin, compared, results, receipts, choose_example(results.items), seconds
    )
    note("writing the page")
    picture = write_page(files, plan, loaded, results, found.example)
    if args.json is not None:
        write_atomically(args.json, json.dumps(_as_data(found), indent=1) + "\n")
    show(_as_text(found, picture, args.out / PAGE))
    return 0


@dataclass(frozen=True)
class _Found:
    """What the demo found, and under which settings."""

    origin: str
    compared: Sequence[NamedSetting]
    results: Results
    receipts: Mapping[str, Receipt]
    example: ItemResult
    seconds: float


def _compared(setting: ChosenSetting) -> list[NamedSetting]:
    """Return what is compared with the baseline: what was asked for, else the best rule too."""
    own = setting.origin.startswith(FROM_OWN_FILE)
    methods = [setting.method, BEST] if own else [setting.method]
    return [NamedSetting(method.title, method) for method in methods]


def _check(args: argparse.Namespace) -> None:
    """Refuse what would fail only at the end of the run."""
    if not 1 <= args.items <= ITEMS:
        raise SettingsError(f"--items must be 1 to {ITEMS}; got {args.items}")
    if args.json is not None and (args.json.is_dir() or not args.json.absolute().parent.is_dir()):
        raise SettingsError(f"--json {args.json}: not a file in a folder that exists")
    keep = args.keep_clips
    if keep is not None and keep.exists() and (not keep.is_dir() or any(keep.iterdir())):
        raise SettingsError(f"--keep-clips {keep}: give a new or empty folder")


def _make(out: Path) -> OwnFiles:
    """Make the folder of the page, before the run; refuse one where others' files are in the way.

    Raises:
        SettingsError: the folder cannot be made, or files in it are not an earlier demo's.
    """
    try:
        out.mkdir(parents=True, exist_ok=True)
        files = OwnFiles(out)
        files.check(FILES)
    except OSError as error:
        raise SettingsError(
            f"--out {out} cannot be used ({error.strerror}): give another folder"
        ) from error
    return files


def _keep(items: tuple[Item, ...], folder: Path) -> None:
    """Write each item's clip as a WAV file."""
    folder.mkdir(parents=True, exist_ok=True)
    for item in items:
        (folder / item.audio[0].name).write_bytes(item.audio[0].read())


def _as_data(found: _Found) -> dict[str, Any]:
    """Return everything as JSON types."""
    from mata_audio.storage.environment import versions

    return {
        "mata_audio": version("mata-audio"),
        "versions": versions(),
        "model": TINY,
        "split": "test",
        "settings": {own.name: own.fields for own in found.compared},
        "setting_origin": found.origin,
        "overall": asdict(found.results.overall),
        "groups": [asdict(row) for row in found.results.groups],
        "receipts": {name: _receipt_data(own) for name, own in found.receipts.items()},
        "example": found.example.id,
        "items": [asdict(item) for item in found.results.items],
        "seconds": round(found.seconds, 1),
    }


def _receipt_data(receipt: Receipt) -> dict[str, Any]:
    shares = ("negative_share", "mass_before", "mass_after")
    return {**asdict(receipt), **{name: getattr(receipt, name) for name in shares}}


def _as_text(found: _Found, picture: str, page: Path) -> str:
    """Return everything for people, at most :data:`WIDTH` columns wide except for paths."""
    from mata_audio.evaluation.results.table import table_text
    from mata_audio.evaluation.results.tables import paired_table

    results, example, origin = found.results, found.example, found.origin
    if origin.startswith(FROM_OWN_FILE):
        origin = "chosen on the tuning split (no item shared); the paper's alpha is 0.1"
    names = [own.name for own in found.compared]
    what = {own.name: own.method.summary for own in found.compared if own.method is not None}
    said = {name: answer.read or "(empty answer)" for name, answer in example.answers.items()}
    asked = textwrap.fill(
        example.question, WIDTH - 17, subsequent_indent=" " * 17, break_on_hyphens=False
    )
    kind = "an answer gained" if gained_by(example) else "none was gained"
    blocks = [
        f"{' and '.join(names)} on the embedded model: {len(results.items):,} held-out questions "
        f"in {found.seconds:.0f} s\n{_lines({**what, 'settings': origin})}",
        f"Example ({kind}: {example.id}, {', '.join(example.groups.values())})\n"
        f"{_lines({'question': asked, 'right answer': example.answer or '-', **said})}",
        *(table_text(paired_table(results, own, adjusted=False)) for own in results.settings[1:]),
        NOTES,
        *(
            str(own).replace("MATA receipt", f"{name} receipt")
            for name, own in found.receipts.items()
        ),
        "To look at\n"
        f"  attention      {picture}\n"
        f"  everything     {page}, a page to hear the example, with every answer and pictures",
        NEXT,
    ]
    return "\n\n".join(blocks)


def _lines(told: Mapping[str, str]) -> str:
    return "\n".join(f"  {name:<14} {text}" for name, text in told.items())
