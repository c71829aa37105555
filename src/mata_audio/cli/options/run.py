"""The options of a benchmark run: what to run, how to prompt, how to run it."""

from __future__ import annotations

import argparse
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mata_audio.cli.options.model import add_loading_options, add_model
from mata_audio.cli.parser import add_number
from mata_audio.errors import SettingsError
from mata_audio.evaluation.running.batch_limit import AUTO, BATCHINGS, read_batch_size
from mata_audio.evaluation.scoring.readers import READERS
from mata_audio.evaluation.tasks import TASKS

if TYPE_CHECKING:
    from mata_audio.evaluation.running.plan import Options

_IDS = "give ids separated by commas, or a text file with one id a line"

READERS_HELP = f"answer readers, chained with +: {', '.join(READERS)}"


def add_benchmark_options(parser: argparse.ArgumentParser) -> None:
    """Add MODEL, ``--task``, ``--data``, ``--split`` and ``--out``."""
    add_model(parser)
    add_task_options(parser)
    parser.add_argument(
        "--out", required=True, type=Path, metavar="FOLDER", help="folder for the run's files"
    )


def add_task_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--task``, ``--data`` and ``--split``."""
    add_task(parser)
    parser.add_argument(
        "--split", metavar="NAME", help="the benchmark's split (default: its first)"
    )


def add_task(parser: argparse.ArgumentParser, *, required: bool = True) -> None:
    """Add ``--task`` and ``--data``."""
    parser.add_argument(
        "--task",
        required=required,
        metavar="NAME",
        help=f"benchmark: {', '.join(TASKS)} (jsonl: your own questions)",
    )
    parser.add_argument(
        "--data", metavar="PATH", help="the benchmark's folder, question file or hub id"
    )


def add_run_options(parser: argparse.ArgumentParser, unheard: bool = True) -> None:
    """Add everything else that :func:`options_from` reads; ``--unheard`` only if it is wanted."""
    _add_prompt_options(parser)
    group = add_running_options(parser)
    if unheard:
        group.add_argument(
            "--unheard",
            action="store_true",
            help="also answer every item without hearing its audio, to see what needs it; costs "
            "another prefill",
        )
    group.add_argument(
        "--ids",
        metavar="IDS",
        help="only these items: ids separated by commas, or a file with one id a line",
    )
    group.add_argument(
        "--where",
        metavar="KEY=VALUES",
        action="append",
        help="only items of these groups, as in task=sound,music; repeatable",
    )
    add_number(
        group, "--seed", "random seed, recorded in run.json; greedy decoding does not use it", 0
    )
    add_loading_options(parser)


def add_running_options(parser: argparse.ArgumentParser) -> argparse._ArgumentGroup:
    """Add ``--batch-size``, ``--batching``, ``--items``, ``--max-errors`` and the like."""
    group = parser.add_argument_group("running")
    add_batch_size(group)
    group.add_argument(
        "--batching",
        choices=(AUTO, *BATCHINGS),
        default=AUTO,
        help="exact: only prompts of one length in a batch; padded: also shorter ones, padded on "
        "the left; auto: padded on a GPU if the family's encoder allows it (default: auto)",
    )
    add_number(group, "--items", "only the first N items of a split", dest="limit")
    add_number(group, "--max-errors", "stop a run once more than N items have failed", 100)
    group.add_argument("--retry-errors", action="store_true", help="run failed items again")
    add_number(group, "--workers", "threads or processes that prepare clips", 4)
    return group


def add_batch_size(group: argparse._ActionsContainer, default: int | str = AUTO) -> None:
    """Add ``--batch-size``."""
    group.add_argument(
        "--batch-size",
        type=_batch_size,
        default=default,
        metavar="N",
        help="prompts in one batch; tokens=N for a number of prompt tokens; or auto, what fits the "
        f"device (default: {default})",
    )


def add_choosing_options(group: argparse._ArgumentGroup) -> None:
    """Add ``--tuning-share`` and ``--split-seed``."""
    group.add_argument(
        "--tuning-share",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="share of the items to choose on; results are for the rest (default: 0.5)",
    )
    add_number(group, "--split-seed", "seed for dividing the items", 0)


def _add_prompt_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prompt and answer")
    group.add_argument(
        "--template",
        metavar="NAME",
        help="prompt template, by name or as a file (default: by model and task)",
    )
    group.add_argument("--reader", metavar="NAME", help=f"{READERS_HELP} (default: the task's)")
    add_number(group, "--max-new-tokens", "longest answer, in tokens (default: the task's)")
    add_long_audio(group, "cut them, or count the item as failed")


def add_long_audio(group: argparse._ActionsContainer, choice: str) -> None:
    """Add ``--long-audio``; ``choice`` says what its two values do."""
    group.add_argument(
        "--long-audio",
        choices=("cut", "fail"),
        default="cut",
        help=f"clips too long for the model: {choice} (default: cut)",
    )


def options_from(args: argparse.Namespace) -> Options:
    """Return the options of a run.

    Raises:
        SettingsError: a value that is not allowed.
    """
    from mata_audio.evaluation.running.plan import Options
    from mata_audio.evaluation.running.where import read_where

    given = {
        **given_options(args),
        "ids": None if args.ids is None else _ids(args.ids),
        "where": None if args.where is None else read_where(args.where),
        "cut_long_audio": args.long_audio == "cut",
    }
    return Options(**given)


def given_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what ``args`` holds under the name of a field of ``Options``, unread."""
    from mata_audio.evaluation.running.plan import Options

    known = {field.name for field in fields(Options)}
    return {name: value for name, value in vars(args).items() if name in known}


def alphas_from(text: str) -> list[float]:
    """Read the strengths of ``--alphas``, separated by commas.

    Raises:
        SettingsError: they are not numbers.
    """
    from mata_audio.errors import SettingsError

    try:
        return [float(part) for part in parts(text)]
    except ValueError:
        raise SettingsError(f"--alphas must be numbers separated by commas; got {text!r}") from None


def parts(text: str) -> list[str]:
    """Split at commas; empty parts are dropped."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _batch_size(text: str) -> str:
    try:
        read_batch_size(text)
    except SettingsError as error:
        raise argparse.ArgumentTypeError(str(error)) from None
    return text


def _ids(text: str) -> list[str]:
    path = Path(text)
    if path.is_file():
        try:
            lines = path.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SettingsError(f"--ids {text} cannot be read ({error}): {_IDS}") from error
        found = [line.strip() for line in lines if line.strip()]
    elif path.suffix == ".txt" or path.is_dir():
        raise SettingsError(f"--ids: there is no file {text}: {_IDS}")
    else:
        found = parts(text)
    if not found:
        raise SettingsError(f"--ids {text} names no item: {_IDS}")
    return found
