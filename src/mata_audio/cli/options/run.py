"""The options that every command with a benchmark run has, and the ``Options`` they make."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mata_audio.evaluation.running.plan import Options

TASKS_HELP = "mmau, mmar, mmsu, mmau-pro, air-bench, tiny, or jsonl for a file of your own"


def add_benchmark_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--model``, ``--task``, ``--data``, ``--split`` and ``--out``."""
    parser.add_argument("--model", required=True, help='"tiny", a local folder or a hub id')
    parser.add_argument("--task", required=True, metavar="NAME", help=TASKS_HELP)
    parser.add_argument(
        "--data", metavar="PATH", help="the benchmark's folder, question file or hub id"
    )
    parser.add_argument("--split", metavar="NAME", help="of the task (default: its first)")
    parser.add_argument("--out", required=True, type=Path, metavar="FOLDER", help="of the run")


def add_run_options(parser: argparse.ArgumentParser) -> None:
    """Add everything else that :func:`options_from` reads."""
    _add_prompt_options(parser)
    _add_running_options(parser)
    add_loading_options(parser)


def add_choosing_options(group: argparse._ArgumentGroup) -> None:
    """Add ``--tuning-share`` and ``--split-seed``."""
    group.add_argument(
        "--tuning-share",
        type=float,
        default=0.5,
        metavar="SHARE",
        help="share of the items to choose on; the rest is reported on (0.5)",
    )
    group.add_argument(
        "--split-seed", type=int, default=0, metavar="N", help="of the division of the items (0)"
    )


def _add_prompt_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("prompt and answer")
    group.add_argument(
        "--template", metavar="NAME", help="prompt template, or a file (default: by model and task)"
    )
    group.add_argument(
        "--reader",
        metavar="NAME",
        help="answer readers, chained with +: answer-tag, letter, final-line, whole",
    )
    group.add_argument("--max-new-tokens", type=int, metavar="N", help="longest answer")
    group.add_argument(
        "--long-audio",
        choices=("cut", "fail"),
        default="cut",
        help="clips longer than the model hears: hear their beginning, or record an error (cut)",
    )


def _add_running_options(parser: argparse.ArgumentParser) -> None:
    group = parser.add_argument_group("running")
    group.add_argument(
        "--batch-size", default="auto", metavar="N", help="a number, or auto (the default)"
    )
    group.add_argument("--limit", type=int, metavar="N", help="only the first N items")
    group.add_argument(
        "--ids", metavar="IDS", help="only these items: ids with commas, or a file of one a line"
    )
    group.add_argument(
        "--max-errors", type=int, default=100, metavar="N", help="stop when more fail (100)"
    )
    group.add_argument("--retry-errors", action="store_true", help="run failed items again")
    group.add_argument("--workers", type=int, default=4, metavar="N", help="decoding threads (4)")
    group.add_argument("--seed", type=int, default=0, metavar="N", help="recorded in run.json (0)")


def add_loading_options(parser: argparse.ArgumentParser) -> None:
    """Add ``--device``, ``--dtype``, ``--attention`` and ``--trust-remote-code``."""
    group = parser.add_argument_group("model")
    group.add_argument("--device", default="auto", help="auto, cpu, cuda, cuda:1, ... (auto)")
    group.add_argument(
        "--dtype", default="auto", help="auto (the checkpoint's), float32, bfloat16 or float16"
    )
    group.add_argument("--attention", metavar="NAME", help="attention backend: sdpa, eager, ...")
    group.add_argument(
        "--trust-remote-code",
        action="store_true",
        help="run Python code that the model's repository brings (off unless asked for)",
    )


def loading_options(args: argparse.Namespace) -> dict[str, Any]:
    """Return what :func:`add_loading_options` added, as ``Options`` names it."""
    return {
        "device": args.device,
        "dtype": args.dtype,
        "attn_implementation": args.attention,
        "trust_remote_code": args.trust_remote_code,
    }


def options_from(args: argparse.Namespace) -> Options:
    """Return the options of a run.

    Raises:
        SettingsError: a value that is not allowed.
    """
    from mata_audio.evaluation.running.plan import Options

    return Options(
        split=args.split,
        template=args.template,
        reader=args.reader,
        max_new_tokens=args.max_new_tokens,
        batch_size=_batch_size(args.batch_size),
        limit=args.limit,
        ids=None if args.ids is None else _ids(args.ids),
        cut_long_audio=args.long_audio == "cut",
        max_errors=args.max_errors,
        retry_errors=args.retry_errors,
        seed=args.seed,
        workers=args.workers,
        **loading_options(args),
    )


def _batch_size(text: str) -> int | str:
    from mata_audio.errors import SettingsError

    if text == "auto":
        return text
    try:
        return int(text)
    except ValueError:
        raise SettingsError(f"--batch-size must be a number or auto; got {text!r}") from None


def _ids(text: str) -> list[str]:
    path = Path(text)
    listed = path.read_text(encoding="utf-8").splitlines() if path.is_file() else text.split(",")
    return [id.strip() for id in listed if id.strip()]
