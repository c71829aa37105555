"""``mata study``: every method on one model, chosen on some items and reported on others."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.options.model import add_model
from mata_audio.cli.options.run import add_run_options, add_task, options_from, parts
from mata_audio.cli.parser import add_number
from mata_audio.cli.progress import RunProgress, note
from mata_audio.cli.terminal import show
from mata_audio.errors import SettingsError

if TYPE_CHECKING:
    from mata_audio.evaluation.study import Study
    from mata_audio.settings.named import NamedSetting

HELP = "compare all methods on a model: chosen on some items, reported on others"

DESCRIPTION = """\
Run every method with its published setting, and with the best of a small grid: chosen on one part
of the items, reported on the other. Write a table, a page, and one small file that can be sent.
"""

EXAMPLES = """\
examples:
  mata study Qwen/Qwen2.5-Omni-7B --task mmau --data MMAU --out runs/study
  mata study Qwen/Qwen2.5-Omni-7B --task mmau --data MMAU --report-task mmar --report-data MMAR \\
             --out runs/study-mmar --fit mass
  mata study tiny --task tiny --choose-on tune --report-on test --leave-out task --items 120 \\
             --methods mata,mass --out runs/study-tiny
  mata study --check runs/study/study.json
  mata study --join runs/study-a runs/study-b

How long it takes is said before it starts. To resume a stopped study, run the command again. If the
best setting holds on the reported items, it is saved as FOLDER/winner.json, for --settings.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_model(parser, required=False)
    add_task(parser, required=False)
    parser.add_argument("--out", type=Path, metavar="FOLDER", help="folder for the study's files")
    group = parser.add_argument_group("study")
    group.add_argument(
        "--choose-on", metavar="SPLIT", help="split to choose on (default: the task's first)"
    )
    group.add_argument(
        "--report-on",
        metavar="SPLIT",
        help="split to report on (default: the same; a half of its items then serves each end)",
    )
    add_number(
        group,
        "--choose-items",
        "choose and fit on the first N items only; --items is for both",
        dest="choose_limit",
    )
    group.add_argument("--report-task", metavar="NAME", help="another benchmark to report on")
    group.add_argument("--report-data", metavar="PATH", help="its data")
    group.add_argument("--methods", metavar="LIST", help="only these methods, with commas")
    group.add_argument(
        "--fit",
        metavar="HOW",
        action="append",
        default=[],
        help="also gains fitted on the items to choose on: kinds as in mata choose, then fields, "
        'such as mass or "mass:audio,add:text; shape=per-layer"; repeatable',
    )
    group.add_argument(
        "--leave-out",
        metavar="KEY",
        action="append",
        default=[],
        help="also choose and fit without each group, such as each task, and report on it; "
        "repeatable",
    )
    group.add_argument(
        "--carry",
        metavar="FILE",
        action="append",
        default=[],
        help="also report a setting chosen elsewhere: its file, or another study's; repeatable",
    )
    group.add_argument(
        "--no-unheard",
        dest="unheard",
        action="store_false",
        help="leave out the no-audio arm, which costs a prefill",
    )
    add_number(group, "--split-seed", "seed for halving a split", 0)
    group.add_argument(
        "--check", type=Path, metavar="FILE", help="run nothing: check a study's file"
    )
    group.add_argument(
        "--join",
        nargs="+",
        type=Path,
        metavar="STUDY",
        help="run nothing: print one table of several studies, in Markdown",
    )
    add_run_options(parser, unheard=False)


def run(args: argparse.Namespace) -> int:
    """Run or resume a study and print its table, or read the files of studies.

    Raises:
        MataError: something is wrong; its class says what.
    """
    if args.check is not None:
        return _check(args.check)
    if args.join is not None:
        return _join(args.join)
    for name in ("model", "task", "out"):
        if getattr(args, name) is None:
            given = "MODEL" if name == "model" else f"--{name}"
            raise SettingsError(f"give {given}, or --check or --join to read files of studies")
    from mata_audio.evaluation.study.planned import Wanted, plan_study
    from mata_audio.evaluation.study.study import run_study
    from mata_audio.evaluation.study.tables import study_text

    wanted = Wanted(
        choose_on=args.choose_on,
        choose_limit=args.choose_limit,
        report_on=args.report_on,
        report_task=args.report_task,
        report_data=args.report_data,
        methods=None if args.methods is None else parts(args.methods),
        fits=args.fit,
        left_out=args.leave_out,
        carried=[own for path in args.carry for own in _carried(Path(path))],
        split_seed=args.split_seed,
    )
    plan = plan_study(args.model, args.task, args.data, wanted, options_from(args))
    note(
        f"{plan.choosing.model.name}: {len(plan.choosing.items):,} items of "
        f"{plan.choosing.task.title} {plan.choosing.dataset.split} to choose on, "
        f"{len(plan.reporting.items):,} of {plan.reporting.task.title} "
        f"{plan.reporting.dataset.split} to report on"
    )
    with RunProgress() as progress:
        found = run_study(plan, args.out, progress.show, note)
    show("\n\n".join([study_text(found), ending(found, args.out)]))
    return 0


def ending(study: Study, out: Path) -> str:
    """Say where the files are."""
    from mata_audio.evaluation.study.files import WINNER
    from mata_audio.evaluation.study.study_file import NAME

    setting = "" if study.recommended is None else f"; the setting is {out / WINNER}"
    return (
        f"The page is {out / 'study.html'}{setting}. {out / NAME} holds no audio, question or "
        "path: docs/study.md says how to send it."
    )


def _carried(path: Path) -> list[NamedSetting]:
    """Return the setting of a file, or the chosen settings of a study's file or folder."""
    from mata_audio.evaluation.study.contenders import CHOSEN
    from mata_audio.evaluation.study.files import setting_of
    from mata_audio.evaluation.study.study_file import NAME, load_study
    from mata_audio.settings.named import NamedSetting, load_setting

    if not (path.is_dir() or path.name == NAME):
        return [load_setting(path, name=f"from {path.stem}")]
    other = load_study(path)
    found = [own for own in other.entries if own.how == CHOSEN and own.setting is not None]
    return [
        NamedSetting(f"{own.method} from {other.model['name']}", setting_of(own).method)
        for own in found
    ]


def _check(path: Path) -> int:
    from mata_audio.evaluation.study.checked import problems
    from mata_audio.evaluation.study.study_file import load_study
    from mata_audio.evaluation.study.tables import heading, verdict

    study = load_study(path)
    found = problems(study)
    if found:
        show("\n".join([f"{path} does not fit together:", *(f"- {own}" for own in found)]))
        return 1
    show(f"{heading(study)}: {len(study.entries)} settings, and all figures fit. {verdict(study)}")
    return 0


def _join(paths: list[Path]) -> int:
    from mata_audio.evaluation.study.study_file import load_study
    from mata_audio.evaluation.study.tables import joined_markdown, study_markdown

    studies = [load_study(path) for path in paths]
    show("\n".join([joined_markdown(studies), *map(study_markdown, studies)]).rstrip())
    return 0
