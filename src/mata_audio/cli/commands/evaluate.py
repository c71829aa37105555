"""``mata eval``: a benchmark under the baseline and any number of settings."""

from __future__ import annotations

import argparse
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.options.executor import add_executor_options, executor_from
from mata_audio.cli.options.run import add_benchmark_options, add_run_options, options_from
from mata_audio.cli.options.setting import add_settings_options, settings_from
from mata_audio.cli.progress import RunProgress, note
from mata_audio.cli.terminal import show

if TYPE_CHECKING:
    from mata_audio.evaluation.results.results import Results
    from mata_audio.evaluation.running.plan import Plan

HELP = "evaluate a model on a benchmark, without and with MATA or other methods"

DESCRIPTION = """\
Answer every question of a benchmark without and with MATA, or other methods, from one prefill where
they allow it, score the answers as the benchmark's official script does, and compare. Every
finished batch is saved.
"""

EXAMPLES = """\
examples:
  mata eval tiny --task tiny --out runs/tiny
  mata eval Qwen/Qwen2.5-Omni-7B --task mmau --data path/to/MMAU --out runs/omni-mmau
  mata eval Qwen/Qwen2-Audio-7B-Instruct --task mmar --data path/to/MMAR --out runs/q2 \\
            --setting "weak: alpha=0.05" --setting "early: alpha=0.1 layers=0-10"
  mata eval tiny --task tiny --out runs/two --setting paper \\
            --setting "mass: method=mass alpha=1" --setting "sure: method=contrast power=1"
  mata eval MODEL --task jsonl --data my-questions.jsonl --out runs/mine --dry-run

To resume a stopped run, run the command again.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_benchmark_options(parser)
    parser.add_argument(
        "--dry-run", action="store_true", help="show the prompts of three items and run nothing"
    )
    add_settings_options(parser)
    add_run_options(parser)
    add_executor_options(parser)


def run(args: argparse.Namespace) -> int:
    """Run or resume the evaluation, and print its tables.

    Raises:
        MataError: something is wrong; its class says what.
    """
    from mata_audio.evaluation.running.evaluate import run_plan
    from mata_audio.evaluation.running.plan import make_plan
    from mata_audio.storage.run_folder import RunFolder

    executor = executor_from(args)
    plan = make_plan(args.model, args.task, args.data, settings_from(args), options_from(args))
    if args.dry_run:
        show(dry_run(plan))
        return 0
    for line in summary(plan):
        note(line)
    with RunProgress() as progress:
        results = run_plan(plan, RunFolder(args.out), progress.show, executor)
    show(report_text(results, plan, args.out))
    return 0 if any(item.answers for item in results.items) else 1


def summary(plan: Plan) -> list[str]:
    """Return what is about to run, a fact a line."""
    version = f", {plan.dataset.version}" if plan.dataset.version else ""
    return [
        f"{plan.model.name} on {plan.task.title} {plan.dataset.split}{version}: "
        f"{len(plan.items):,} items",
        f"prompt {plan.template.name}, answers read by {plan.reader}, greedy, at most "
        f"{plan.max_new_tokens} new tokens",
        f"settings: {', '.join(setting.name for setting in plan.settings)}",
    ]


def dry_run(plan: Plan) -> str:
    """Return the prompts of three items, as the model would read them."""
    from mata_audio.evaluation.running.prepare import styled
    from mata_audio.models.prompter import Prompter

    prompter = Prompter.of(plan.model)
    prompter = replace(prompter, style=styled(prompter.style, plan.template))
    parts = list(summary(plan))
    for item in plan.items[:3]:
        question = plan.template.render(item.question, item.choices)
        prompt = prompter.text(question, len(item.audio))
        clips = ", ".join(clip.name for clip in item.audio)
        answer = "hidden" if item.answer is None else item.answer
        parts += [f"\n--- {item.id} ({clips}; answer: {answer})", prompt.rstrip("\n")]
    return "\n".join(parts)


def report_text(results: Results, plan: Plan, out: Path) -> str:
    """Return the tables, the notes, the failed items and where the files are."""
    from mata_audio.evaluation.results.output_files import prediction_paths
    from mata_audio.evaluation.results.power import power_sentence
    from mata_audio.evaluation.results.tables import as_text

    parts = [as_text(results)] if results.overall.accuracy else []
    if all(item.answer is None for item in plan.dataset.items):
        paths = prediction_paths(out, [setting.name for setting in plan.settings], plan.task)
        files = ", ".join(map(str, paths.values()))
        parts.append(f"The answers of this split are hidden. To submit: {files}")
    for name, paired in results.overall.paired.items():
        parts.append(f"{name}: {power_sentence(paired)}")
    parts += results.notes
    failed = [item for item in results.items if item.error is not None]
    if failed:
        parts.append("\n".join(f"error  {item.id}: {item.error}" for item in failed))
    parts.append(f"Written to {out}. For an HTML page: mata report {out}")
    return "\n\n".join(parts)
