"""``mata profile``: where the last token looks, layer by layer, without and with MATA."""

from __future__ import annotations

import argparse
import math
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mata_audio.cli.progress import Progress, note
from mata_audio.cli.run_options import (
    TASKS_HELP,
    add_loading_options,
    loading_options,
)
from mata_audio.cli.setting_options import add_setting_options

if TYPE_CHECKING:
    from torch import Tensor

    from mata_audio.evaluation.running.plan import Plan
    from mata_audio.evaluation.running.prepare import Failed, Prepared
    from mata_audio.loading import Loaded
    from mata_audio.profiling import Profile

ITEMS = 50
BASELINE = "baseline"

EXAMPLE = """\
examples:
  mata profile tiny --task tiny
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
        "--batch-size", type=int, default=8, metavar="N", help="prompts at once (default: 8)"
    )
    add_setting_options(parser)
    parser.add_argument(
        "--setting",
        action="append",
        default=[],
        metavar="SPEC",
        help='a setting, such as "alpha=0.1 layers=10-20", "NAME: alpha=0.1", "paper" or a JSON '
        "file; give it again for several",
    )
    parser.add_argument("--baseline-only", action="store_true", help="no setting at all")
    add_loading_options(parser)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Print a table for each setting; write the profile as JSON where asked.

    Raises:
        MataError: of the kind that says what is wrong.
    """
    from mata_audio.cli.quiet import quiet_libraries, use_one_thread
    from mata_audio.cli.setting_specs import settings_from
    from mata_audio.errors import SettingsError

    quiet_libraries(getattr(args, "debug", False))
    if args.json is not None and not args.json.absolute().parent.is_dir():
        raise SettingsError(f"--json: there is no folder {args.json.absolute().parent}")
    if args.items < 1:
        raise SettingsError(f"--items must be 1 or more; got {args.items}")
    if args.new_tokens < 0:
        raise SettingsError(f"--new-tokens must be 0 or more; got {args.new_tokens}")
    from mata_audio.evaluation.running.plan import Options, make_plan
    from mata_audio.evaluation.running.runs import loaded_model
    from mata_audio.loading import TINY
    from mata_audio.profiling import profile

    options = Options(
        split=args.split, limit=args.items, batch_size=args.batch_size, **loading_options(args)
    )
    plan = make_plan(args.model, args.task, args.data, settings_from(args), options)
    note(f"loading {plan.model.name}")
    if plan.model.name == TINY:
        use_one_thread()
    loaded = loaded_model(plan)
    failed: list[Failed] = []
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
            "failed": {item.item.id: item.error for item in failed},
        }
    )
    print(text(made))
    if args.json is not None:
        made.save(args.json)
    return 0


def _batches(plan: Plan, loaded: Loaded, failed: list[Failed]) -> Iterator[dict[str, Tensor]]:
    """Yield model inputs; items that cannot be read are noted in ``failed``."""
    from mata_audio.asking import prompt_style
    from mata_audio.errors import RunError
    from mata_audio.evaluation.running.prepare import Preparer, ahead, batches, stacked
    from mata_audio.evaluation.running.runner import HELD_BYTES

    options = plan.options
    size = int(options.batch_size)
    preparer = Preparer(
        loaded.processor, plan.template, prompt_style(loaded), options.cut_long_audio
    )
    prepared = ahead(preparer, plan.items, options.workers, window=2 * size + 4)
    with Progress("profiling", len(plan.items)) as progress:
        for batch in batches(_read(prepared, failed), lambda: size, HELD_BYTES):
            yield stacked(batch, loaded.model)
            progress.advance(len(batch))
    if len(failed) == len(plan.items):
        raise RunError(f"not one of the items could be read; the first: {failed[0].error}")


def _read(prepared: Iterable[Prepared | Failed], failed: list[Failed]) -> Iterator[Prepared]:
    from mata_audio.evaluation.running.prepare import Prepared

    for item in prepared:
        if isinstance(item, Prepared):
            yield item
        else:
            note(f"warning: {item.item.id} is left out: {item.error}")
            failed.append(item)


def text(profile: Profile) -> str:
    """Return the profile as tables: one for each setting, the baseline beside it."""
    facts = profile.facts
    tokens = ", ".join(
        f"{kind} {count:.1f}"
        for kind, count in zip(profile.kinds, profile.tokens, strict=True)
        if count
    )
    generated = f" and up to {facts['new_tokens']} generated" if facts["new_tokens"] else ""
    parts = [
        f"{facts['model']} on {facts['task']} {facts['split']}: {profile.items:,} items\n"
        f"tokens of a prompt, on average: {tokens}\n"
        f"attention of the last prompt token{generated}, mean over heads and items, in %"
    ]
    steered = [name for name in profile.attention if name != BASELINE]
    parts += [_table(profile, [BASELINE, name]) for name in steered]
    if not steered:
        parts.append(_table(profile, [BASELINE]))
    parts.append(
        "imbalance: attention per audio token over attention per word of instruction and system "
        "prompt\nA < 0: share of the raw audio scores below zero; multiply lowers attention to "
        "these, in %"
    )
    return "\n\n".join(parts)


def _table(profile: Profile, names: Sequence[str]) -> str:
    kinds = _shown(profile)
    columns = [*kinds, "imbalance", "A < 0"]
    width = 12 // len(names)
    lines = [
        ", ".join(_named(profile, name) for name in names),
        f"{'layer':<6}" + "".join(f"{name:>12}" for name in columns),
    ]
    if len(names) > 1:
        lines.append(" " * 6 + f"{'off':>{width}}{'on':>{width}}" * len(columns))
    for layer in range(profile.layers):
        together = zip(*(_cells(profile, name, layer, kinds) for name in names), strict=True)
        cells = [cell for pair in together for cell in pair]
        lines.append(f"{layer:>5} " + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)


def _named(profile: Profile, name: str) -> str:
    """Return what a column is of: off is the baseline, on is the setting."""
    from mata_audio.gains import describe
    from mata_audio.settings import MATA

    setting = profile.attention[name].setting
    if setting is None:
        return f"off: {name}" if len(profile.attention) > 1 else name
    return f"on: {name} ({describe(MATA(**setting), profile.layers, profile.heads)})"


def _shown(profile: Profile) -> list[str]:
    """Return the kinds that have any attention, in the order of the table."""
    order = ("audio", "image", "instruction", "system", "generated", "special", "sink")
    return [
        kind
        for kind in order
        if any(own.of(kind, profile.kinds).any() for own in profile.attention.values())
    ]


def _cells(profile: Profile, name: str, layer: int, shown: Sequence[str]) -> list[str]:
    own = profile.attention[name]
    masses = [f"{100 * own.of(kind, profile.kinds)[layer]:.1f}" for kind in shown]
    imbalance = own.imbalance[layer]
    return [
        *masses,
        "-" if math.isnan(imbalance) else f"{imbalance:.2f}",
        f"{100 * own.negative_share[layer].mean():.1f}",
    ]
