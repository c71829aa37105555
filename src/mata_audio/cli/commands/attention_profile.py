"""``mata profile``: where the last prompt token looks, by layer, without and with a method."""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.options.files import check_file, check_folder
from mata_audio.cli.options.model import add_loading_options, add_model
from mata_audio.cli.options.run import add_batch_size, add_task_options, given_options
from mata_audio.cli.options.setting import add_settings_options, settings_from
from mata_audio.cli.parser import add_number
from mata_audio.cli.progress import RunProgress, note
from mata_audio.cli.terminal import show
from mata_audio.errors import RunError, SettingsError
from mata_audio.notation.did_you_mean import did_you_mean

if TYPE_CHECKING:
    from torch import Tensor

    from mata_audio.evaluation.item import Item
    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.evaluation.running.prepare import FailedItem
    from mata_audio.models.loading import Loaded
    from mata_audio.pictures.of_profile import HeardItem

ITEMS = 50
BATCH = 8
WIDTH = 100

HELP = "show where the last prompt token looks, by layer"

DESCRIPTION = """\
Read the first items of a benchmark without and with MATA, or another method that changes attention,
and show for each layer how the last prompt token divides its attention between audio, instruction,
system prompt, special tokens and the first token (sink). Nothing is scored. With --pictures, one
item is answered, and each word of its answers is shown with its attention on audio.
"""

EXAMPLES = """\
examples:
  mata profile tiny --task tiny
  mata profile tiny --task tiny --pictures runs/tiny/pictures
  mata profile Qwen/Qwen2-Audio-7B-Instruct --task mmau --data path/to/MMAU --json profile.json
  mata profile MODEL --task jsonl --data my-questions.jsonl --items 20 --alpha 0.1 --layers 10-20
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_model(parser)
    add_task_options(parser)
    add_number(parser, "--items", "only the first N items of the split", ITEMS, dest="limit")
    add_number(parser, "--new-tokens", "profile N generated tokens too", 0)
    parser.add_argument(
        "--json", type=Path, metavar="FILE", help="write the figures of every head as JSON"
    )
    parser.add_argument(
        "--pictures",
        type=Path,
        metavar="FOLDER",
        help="draw the first two settings: by layer, by head, and for one item over time and by "
        "word of the answer; mata report shows the pictures in RUN/pictures",
    )
    parser.add_argument(
        "--listen", metavar="ID", help="the item to draw over time (default: the first)"
    )
    add_batch_size(parser, default=BATCH)
    add_settings_options(parser)
    add_loading_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print a table for each setting; with the options for it, write JSON and pictures.

    Raises:
        MataError: something is wrong; its class says what.
    """
    _check(args)
    from mata_audio.evaluation.running.executor import loaded_model
    from mata_audio.evaluation.running.plan import Options, make_plan
    from mata_audio.families import locate
    from mata_audio.models.finding import Found, skeleton
    from mata_audio.pictures.of_profile import heard_item, profile_pictures, save_all
    from mata_audio.profiling import profile
    from mata_audio.profiling.prompt_reader import check_settings
    from mata_audio.profiling.table import text

    options = Options(**given_options(args))
    plan = make_plan(args.model, args.task, args.data, settings_from(args), options)
    assert isinstance(plan.model, Found)  # as MODEL is text
    check_settings(locate(skeleton(plan.model)), plan.settings)
    chosen = _item(plan, args.listen)
    places = {} if args.pictures is None else _places(args.pictures, plan)
    note(f"loading {plan.model.name}")
    loaded = loaded_model(plan)
    failed: dict[str, str] = {}
    made = profile(
        loaded.model,
        _batches(plan, loaded, failed),
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
            "failed": failed,
        }
    )
    show(text(made))
    if args.json is not None:
        made.save(args.json)
    if args.pictures is not None:
        item = chosen or next(item for item in plan.items if item.id not in failed)
        heard = heard_item(plan, loaded, item)
        show("\n" + _words(heard))
        figures = profile_pictures(plan, loaded, made, heard, places)
        show("")
        for path in save_all(figures, args.pictures):
            show(path)
    return 0


def _check(args: argparse.Namespace) -> None:
    """Refuse at once what would fail only after the model has run.

    Raises:
        SettingsError: an option that is not allowed.
        MissingMatplotlibError: ``--pictures`` is given, and Matplotlib is not installed.
    """
    check_file("--json", args.json)
    if args.limit < 1:
        raise SettingsError(f"--items must be 1 or more; got {args.limit}")
    if args.new_tokens < 0:
        raise SettingsError(f"--new-tokens must be 0 or more; got {args.new_tokens}")
    if args.pictures is None:
        if args.listen is not None:
            raise SettingsError("--listen chooses what is drawn: give --pictures FOLDER too")
        return
    check_folder("--pictures", args.pictures)
    from mata_audio.pictures import require_matplotlib

    require_matplotlib()


def _item(plan: Plan, id: str | None) -> Item | None:
    """Return the item of ``--listen``, which need not be among those profiled."""
    if id is None:
        return None
    for item in plan.dataset.items:
        if item.id == id:
            return item
    hint = did_you_mean(id, [item.id for item in plan.dataset.items])
    raise SettingsError(
        f"--listen: {plan.task.name} {plan.dataset.split} has no item {id!r}{hint}; its first is "
        f"{plan.dataset.items[0].id!r}"
    )


def _words(heard: HeardItem) -> str:
    """Return the words of each answer to the drawn item, with their attention on audio."""
    from mata_audio.pictures.labels import label

    question = label(heard.item.question, 70, 1)
    layers = "all layers" if heard.steered is None else "the steered layers"
    lines = [
        f"{heard.item.id}: {question}\n"
        f"attention of each word of the answer on audio, mean over heads and {layers}, in %"
    ]
    names = [label(answer.name, 24, 1) for answer in heard.answers]
    width = max(map(len, names))
    for name, answer in zip(names, heard.answers, strict=True):
        cells = [] if answer.heard is None else [
            f"{label(word.text, 24, 1) or '(space)'} "
            f"{100 * answer.heard.along_time(word, heard.steered).sum():.1f}"
            for word in answer.words
        ]  # fmt: skip
        told = _filled(cells, WIDTH - width - 2) or [answer.why_not or "its answer has no words"]
        lines.append(f"{name:<{width}}  " + f"\n{' ' * (width + 2)}".join(told))
    return "\n".join(lines)


def _filled(cells: Sequence[str], width: int) -> list[str]:
    """Return cells on lines of at most ``width`` letters, three spaces apart."""
    lines: list[str] = []
    for cell in cells:
        if lines and len(lines[-1]) + 3 + len(cell) <= width:
            lines[-1] += f"   {cell}"
        else:
            lines.append(cell)
    return lines


def _places(pictures: Path, plan: Plan) -> dict[str, int]:
    """Return the places of the settings in the run whose pictures these will be, if there is one.

    So a setting has the colour in them that it has in the run's report.
    """
    from mata_audio.evaluation.results.results_file import load_results
    from mata_audio.pictures.of_run import FOLDER

    if pictures.name != FOLDER or not (pictures.parent / "results.json").is_file():
        return {}
    try:
        settings = load_results(pictures.parent).settings
    except RunError as error:
        note(f"warning: the pictures' colours may differ from the run's: {error}")
        return {}
    methods = {setting.name: setting.fields for setting in plan.settings}
    places = {own.name: place for place, own in enumerate(settings)}
    # A name may stand for something else here; then it is no setting of the run.
    others = [own.name for own in settings if own.method != methods.get(own.name, own.method)]
    return places | {name: len(settings) + number for number, name in enumerate(others)}


def _batches(plan: Plan, loaded: Loaded, failed: dict[str, str]) -> Iterator[dict[str, Tensor]]:
    """Yield model inputs; add to ``failed``, by id, why an item cannot be read."""
    from mata_audio.evaluation.running.batches import prepared_batches
    from mata_audio.evaluation.running.fitting_limit import batch_limit
    from mata_audio.evaluation.running.progress import Progress
    from mata_audio.evaluation.running.stacking import stacked

    def leave_out(item: FailedItem) -> None:
        note(f"warning: {item.item.id} is left out: {item.error}")
        failed[item.item.id] = item.error

    limit = batch_limit(plan.options.batch_size, loaded.model, len(plan.settings))
    state = Progress(len(plan.items))
    with RunProgress() as progress:
        for batch in prepared_batches(plan, loaded, plan.items, lambda: limit, leave_out):
            yield stacked(batch, loaded)
            state.done += len(batch)
            progress.show(state, "profiling")
    if len(failed) == len(plan.items):
        raise RunError(f"not one of the items could be read; the first: {failed[plan.items[0].id]}")
