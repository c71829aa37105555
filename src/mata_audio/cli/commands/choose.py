"""``mata choose``: choose layers by measurement, then alpha, and report on other items."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from mata_audio.cli.commands.sweep import ending
from mata_audio.cli.options.executor import add_executor_options, executor_from
from mata_audio.cli.options.fitting import add_fitting_options, fitting_from
from mata_audio.cli.options.run import (
    add_benchmark_options,
    add_choosing_options,
    add_run_options,
    alphas_from,
    options_from,
)
from mata_audio.cli.progress import RunProgress, note
from mata_audio.cli.terminal import show
from mata_audio.errors import SettingsError
from mata_audio.notation.did_you_mean import did_you_mean

if TYPE_CHECKING:
    from mata_audio.evaluation.choosing import Evidence

BAR = 30

HELP = "choose layers and alpha for a model by measurement"

DESCRIPTION = """\
Measure, on one part of the items, in which layers the model reads audio, or where more attention to
audio makes right answers likelier. From that, choose layers, heads or a gain for each head; then
choose alpha, and report on the rest of the items.
"""

EXAMPLES = """\
examples:
  mata choose tiny --task tiny --split tune --items 240 --out runs/knockout
  mata choose Qwen/Qwen2.5-Omni-7B --task mmau --data MMAU --by gradient \\
              --out runs/gradient

Layers and alpha are chosen on half of the items, and the result is for the other half. If it is
better than the baseline's there too, the setting is saved as FOLDER/winner.json, for --settings. If
nothing is found, the command says what it could not have seen. To resume a stopped command, run it
again.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_benchmark_options(parser)
    group = parser.add_argument_group("choosing")
    group.add_argument(
        "--by",
        metavar="WAY",
        default="knockout",
        help="knockout or profile, which need no right answers; gradient, gradient-heads, tune "
        "or search (default: knockout)",
    )
    group.add_argument(
        "--method",
        metavar="NAME",
        help="the method whose layers and alpha are chosen: mata, mass or value (default: mata; "
        "tune fits what --kinds says)",
    )
    group.add_argument(
        "--alphas",
        metavar="LIST",
        help="strengths to try, with commas (default: 0.05,0.1,0.2,0.5,1,2; tuned gains: 0.5,1)",
    )
    add_choosing_options(group)
    add_fitting_options(parser)
    add_run_options(parser)
    add_executor_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the evidence, the result on the held-out items, and the ranking of alphas.

    Raises:
        MataError: something is wrong; its class says what.
    """
    from mata_audio.evaluation.choosing.choose import WAYS, choose_plan
    from mata_audio.evaluation.results.tables import as_text
    from mata_audio.evaluation.running.plan import make_plan
    from mata_audio.storage.run_folder import RunFolder

    if args.by not in WAYS:
        hint = did_you_mean(args.by, WAYS)
        raise SettingsError(f"--by must be one of {', '.join(WAYS)}; got {args.by!r}{hint}")
    if args.method in WAYS:
        raise SettingsError(f"{args.method} is a way to choose, not a method: --by {args.method}")
    alphas = None if args.alphas is None else alphas_from(args.alphas)
    fitting, executor = fitting_from(args), executor_from(args)
    plan = make_plan(args.model, args.task, args.data, (), options_from(args))
    note(f"{args.by}: {WAYS[args.by].summary}")
    with RunProgress() as progress:
        choice = choose_plan(
            plan,
            RunFolder(args.out),
            args.by,
            alphas,
            method=args.method,
            tuning_share=args.tuning_share,
            split_seed=args.split_seed,
            report=progress.show,
            fitting=fitting,
            say=note,
            executor=executor,
        )
    parts = [] if choice.evidence is None else [evidence_text(choice.evidence)]
    if choice.sweep is None:
        parts.append(choice.verdict)
    else:
        results = choice.sweep.results
        parts += [as_text(results), *results.notes, ending(choice.sweep, args.out)]
    show("\n\n".join(parts))
    return 0


def evidence_text(evidence: Evidence) -> str:
    """Return each layer's score with a bar, chosen layers marked, and a summary of any fit."""
    from mata_audio.steering.gain_tensor import chosen_layers

    changes = evidence.setting.rule().views[0]
    depth = len(evidence.scores)
    layers = {layer for change in changes for layer in chosen_layers(change, depth)}
    largest = max(map(abs, evidence.scores)) or 1.0
    lines = [f"{evidence.by}, {evidence.items:,} tuning items: {evidence.unit}", ""]
    lines.append(f"  {'layer':<9} {'mean':>8}  {evidence.spread:>18}")
    scores = zip(evidence.scores, evidence.low, evidence.high, strict=True)
    for layer, (score, low, high) in enumerate(scores):
        bar = ("-" if score < 0 else "#") * round(BAR * abs(score) / largest)
        mark = "*" if layer in layers else " "
        interval = f"{low:+.4f} to {high:+.4f}"
        lines.append(f"{mark} layer {layer:<3} {score:>+8.4f}  {interval:>18}  {bar}".rstrip())
    tables = [change.gains for change in changes if change.gains is not None]
    what = "chosen layers"
    if tables:
        chosen = [gain != 0 for table in tables for row in table for gain in row]
        what = f"layers with chosen heads, {sum(chosen)} of {len(chosen)} in all"
    if evidence.found:
        lines += ["", f"* {what}"]
    fitting = evidence.facts.get("fitting")
    if fitting is not None:
        lines += ["", _fitting_text(fitting, evidence.found)]
    return "\n".join(lines)


def _fitting_text(fitting: Mapping[str, Any], found: bool) -> str:
    before, after = fitting["validation_before"], fitting["validation_after"]
    of = f"{fitting['numbers']:,} numbers" if fitting["numbers"] > 1 else "One number"
    fitted = f"{of} fitted on {fitting['fitted_on']:,} tuning items in up to {fitting['steps']} "
    others = f"{fitting['validated_on']:,} other tuning items"
    if fitting["folds"] > 1:
        fitted = f"{of} fitted {fitting['folds']} times on {fitting['fitted_on']:,} tuning items, "
        fitted += f"each time without one part, in up to {fitting['steps']} "
        others = "the parts left out"
    kept = "".join(
        f" {group} had to keep what it had: {own['gained']} gained, {own['lost']} lost."
        for group, own in after.get("keep", {}).items()
    )
    if fitting["passed_over"]:
        steps = "1 step" if fitting["passed_over"] == 1 else f"{fitting['passed_over']} steps"
        kept += f" {steps} with a lower loss lost more there, and were passed over."
    if not found:
        none = "None that was allowed" if fitting["passed_over"] else "None"
        return (
            f"{fitted}steps. {none} lowered the loss on {others} ({before['loss']:.4f}): no gain "
            f"is kept.{kept}"
        )
    which = f"step {fitting['kept_after_steps']} are kept, the best on"
    if fitting["folds"] > 1:
        steps = ", ".join(map(str, fitting["kept_after_steps"]))
        which = f"steps {steps} are averaged, each the best on"
    return (
        f"{fitted}steps. The gains after {which} {others}: loss {before['loss']:.4f} to "
        f"{after['loss']:.4f}, {after['gained']} answers gained, {after['lost']} lost.{kept}"
    )
