"""``mata profile``: where the last token looks, layer by layer, without and with MATA."""

from __future__ import annotations

import argparse
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mata_audio.cli.options.run import TASKS_HELP, add_loading_options, loading_options
from mata_audio.cli.options.setting import add_settings_options
from mata_audio.cli.progress import StageProgress, note

if TYPE_CHECKING:
    from torch import Tensor

    from mata_audio.evaluation.item import Item
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.evaluation.running.prepare import FailedItem, Prepared
    from mata_audio.models.loading import Loaded
    from mata_audio.profiling import Profile

ITEMS = 50

EXAMPLE = """\
examples:
  mata profile tiny --task tiny
  mata profile tiny --task tiny --pictures runs/tiny/pictures
  mata profile Qwen/Qwen2-Audio-7B-Instruct --task mmau --data path/to/MMAU --json profile.json
  mata profile MODEL --task jsonl --data my-questions.jsonl --items 20 --alpha 0.1 --layers 10-20
"""


def add_parser(commands: Any) -> None:
    """Register the command."""
    parser = commands.add_parser(
        "profile",
        help="show where the last token looks, layer by layer",
        description="Read the first items of a benchmark without and with MATA, and show by layer "
        "how the attention of the last prompt token is shared between audio, instruction, system "
        "prompt, special tokens and the first token (sink). Nothing is answered or scored.",
        epilog=EXAMPLE,
    )
    parser.add_argument("model", metavar="MODEL", help='"tiny", a local folder or a hub id')
    parser.add_argument("--task", required=True, metavar="NAME", help=TASKS_HELP)
    parser.add_argument(
        "--data", metavar="PATH", help="the benchmark's folder, question file or hub id"
    )
    parser.add_argument("--split", metavar="NAME", help="of the task (default: its first)")
    parser.add_argument(
        "--items", type=int, default=ITEMS, metavar="N", help=f"first items (default: {ITEMS})"
    )
    parser.add_argument(
        "--new-tokens",
        type=int,
        default=0,
        metavar="N",
        help="profile so many generated tokens too (default: 0)",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write every head's figures too")
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="draw the first setting: by layer, by head, and over the time of one item's clips; "
        "mata report shows those in RUN/pictures",
    )
    parser.add_argument(
        "--listen", metavar="ID", help="the item to draw over time (default: the first)"
    )
    parser.add_argument(
        "--batch-size", type=int, default=8, metavar="N", help="prompts at once (default: 8)"
    )
    add_settings_options(parser)
    add_loading_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table for each setting; write the profile as JSON, and pictures, where asked.

    Raises:
        MataError: of the kind that says what is wrong.
    """
    from mata_audio.cli.options.settings import settings_from
    from mata_audio.cli.quiet import quiet_libraries, use_one_thread

    quiet_libraries(getattr(args, "debug", False))
    _check(args)
    from mata_audio.evaluation.running.evaluate import loaded_model
    from mata_audio.evaluation.running.plan import Options, make_plan
    from mata_audio.models.finding import TINY
    from mata_audio.profiling import profile
    from mata_audio.profiling.table import text

    options = Options(
        split=args.split, limit=args.items, batch_size=args.batch_size, **loading_options(args)
    )
    plan = make_plan(args.model, args.task, args.data, settings_from(args), options)
    chosen = _item(plan, args.listen)
    note(f"loading {plan.model.name}")
    if plan.model.name == TINY:
        use_one_thread()
    loaded = loaded_model(plan)
    read: list[Item] = []
    failed: list[FailedItem] = []
    made = profile(
        loaded.model,
        _batches(plan, loaded, read, failed),
        loaded.processor.tokenizer,
        plan.settings[1:],
        args.new_tokens,
    )
    made = made.with_facts(
        {
            "model": loaded.name,
            "task": plan.task.name,
            "split": plan.dataset.split,
            "data_version": plan.dataset.version,
            "template": plan.template.name,
            "new_tokens": args.new_tokens,
            "failed": {item.item.id: item.error for item in failed},
        }
    )
    print(text(made))
    if args.json is not None:
        made.save(args.json)
    if args.pictures is not None:
        for path in _draw(plan, loaded, made, chosen or read[0], args.pictures):
            print(path)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse what would fail only after the model was loaded and run.

    Raises:
        SettingsError: an option that is not allowed.
        MissingMatplotlibError: pictures are asked for, and Matplotlib is not installed.
    """
    from mata_audio.errors import SettingsError

    if args.json is not None and not args.json.absolute().parent.is_dir():
        raise SettingsError(f"--json: there is no folder {args.json.absolute().parent}")
    if args.items < 1:
        raise SettingsError(f"--items must be 1 or more; got {args.items}")
    if args.new_tokens < 0:
        raise SettingsError(f"--new-tokens must be 0 or more; got {args.new_tokens}")
    if args.pictures is None:
        if args.listen is not None:
            raise SettingsError("--listen chooses what is drawn: give --pictures FOLDER too")
        return
    if args.pictures.exists() and not args.pictures.is_dir():
        raise SettingsError(f"--pictures {args.pictures}: this is a file; give a folder")
    from mata_audio.pictures import require_matplotlib

    require_matplotlib()


def _item(plan: Plan, id: str | None) -> Item | None:
    """Return the item that was asked for, among those that are profiled or not."""
    from mata_audio.errors import SettingsError

    if id is None:
        return None
    for item in plan.dataset.items:
        if item.id == id:
            return item
    raise SettingsError(
        f"--listen: {plan.task.name} {plan.dataset.split} has no item {id!r}; its first is "
        f"{plan.dataset.items[0].id!r}"
    )


def _draw(plan: Plan, loaded: Loaded, made: Profile, item: Item, folder: Path) -> list[Path]:
    """Draw the first setting and one item.

    Raises:
        RunError: the item cannot be read.
    """
    from mata_audio.errors import RunError
    from mata_audio.evaluation.running.prepare import FailedItem, preparer_of, stacked
    from mata_audio.pictures.of_profile import attention_pictures, listening_pictures, save_all

    prepared = preparer_of(plan, loaded)(item)
    if isinstance(prepared, FailedItem):
        raise RunError(f"{item.id} cannot be drawn: {prepared.error}")
    inputs = stacked([prepared], loaded.model)
    first = next(iter(plan.settings[1:]), None)
    figures = attention_pictures(made)
    figures |= listening_pictures(loaded, item, inputs, made, first)
    return save_all(figures, folder)


def _batches(
    plan: Plan, loaded: Loaded, read: list[Item], failed: list[FailedItem]
) -> Iterator[dict[str, Tensor]]:
    """Yield model inputs; what could and could not be read is noted in ``read`` and ``failed``."""
    from mata_audio.errors import RunError
    from mata_audio.evaluation.running.prepare import ahead, batches, preparer_of, stacked
    from mata_audio.evaluation.running.runner import HELD_BYTES

    options = plan.options
    size = int(options.batch_size)
    prepared = ahead(preparer_of(plan, loaded), plan.items, options.workers, window=2 * size + 4)
    with StageProgress("profiling", len(plan.items)) as progress:
        for batch in batches(_sorted(prepared, read, failed), lambda: size, HELD_BYTES):
            yield stacked(batch, loaded.model)
            progress.advance(len(batch))
    if len(failed) == len(plan.items):
        raise RunError(f"not one of the items could be read; the first: {failed[0].error}")


def _sorted(
    prepared: Iterable[Prepared | FailedItem], read: list[Item], failed: list[FailedItem]
) -> Iterator[Prepared]:
    from mata_audio.evaluation.running.prepare import Prepared

    for item in prepared:
        if isinstance(item, Prepared):
            read.append(item.item)
            yield item
        else:
            note(f"warning: {item.item.id} is left out: {item.error}")
            failed.append(item)
