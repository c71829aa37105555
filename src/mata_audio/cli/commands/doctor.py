"""``mata doctor``: check, by measuring, that MATA is exact on a model and machine."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from mata_audio.cli.options.files import check_file
from mata_audio.cli.options.model import add_loading_options, add_model, loading_options
from mata_audio.cli.progress import note
from mata_audio.cli.terminal import show
from mata_audio.errors import SettingsError
from mata_audio.notation.did_you_mean import did_you_mean

if TYPE_CHECKING:
    import torch

    from mata_audio.doctor.check import DoctorReport

HELP = "check that MATA and the other methods are exact on a model and machine"

DESCRIPTION = """\
Run a model on short synthesised clips (on images, if it takes no audio) and check what MATA
promises: it equals a full-score reference, and every other method its definition; alpha 0 changes
nothing; all backends, paddings and caches agree; nothing is left behind in the model. Every line
says what was measured, against what, and what to do if it failed.
"""

EXAMPLES = """\
examples:
  mata doctor tiny
  mata doctor Qwen/Qwen2-Audio-7B-Instruct --dtype bfloat16 --json doctor.json
  mata doctor --all-families

Exit codes: 0 no check failed, 1 a check failed, 2 wrong use.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    add_model(parser, required=False)
    parser.add_argument(
        "--all-families",
        action="store_true",
        help="instead of MODEL: a small random model of every supported family",
    )
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the results as JSON too")
    add_loading_options(parser)


def run(args: argparse.Namespace) -> int:
    """Print the results; return 1 if a check failed.

    Raises:
        MataError: the model or an option is wrong; its class says which.
    """
    if (args.model is None) != args.all_families:
        raise SettingsError("give either a MODEL or --all-families")
    check_file("--json", args.json)
    debug = getattr(args, "debug", False)
    reports = _all_families(args, debug) if args.all_families else [_one_model(args, debug)]
    if args.json is not None:
        _write(args.json, reports)
    return 0 if reports and all(report.ok for report in reports) else 1


def _one_model(args: argparse.Namespace, debug: bool) -> DoctorReport:
    """Examine the user's model and print the whole table."""
    from mata_audio.doctor.examine import examine
    from mata_audio.doctor.patient import loaded_patient
    from mata_audio.models.loading import load

    note(f"loading {args.model}")
    loaded = load(args.model, seeing=True, **loading_options(args))
    report = examine(loaded_patient(loaded), debug, progress=lambda name: note(f"checking: {name}"))
    show(report)
    return report


def _all_families(args: argparse.Namespace, debug: bool) -> list[DoctorReport]:
    """Examine every family; print a line for each, and every failure."""
    from mata_audio.doctor.all_families import examine_families, family_names
    from mata_audio.doctor.check import check_lines

    if args.attn_implementation is not None or args.trust_remote_code:
        raise SettingsError("--attention and --trust-remote-code need a MODEL")
    names = family_names()
    device = "cpu" if args.device == "auto" else args.device
    dtype = _dtype(args.dtype)
    show(f"{'family':<26}{'class':<48}{'pass fail skip   worst difference'}")
    reports = []
    for report in examine_families(names, device, dtype, debug):
        reports.append(report)
        note(f"{len(reports)} of {len(names)} families: {report.model}")
        worst = "-" if report.worst is None else f"{report.worst:.1e}"
        counts = "".join(f"{report.count(kind):>4} " for kind in ("pass", "fail", "skip"))
        show(f"{report.model:<26}{report.model_class:<48}{counts}  {worst}")
        for check in report.failures:
            show("\n".join(f"  {line}" for line in check_lines(check)))
    failed = [report.model for report in reports if not report.ok]
    show(f"\n{len(reports) - len(failed)} of {len(reports)} families passed")
    return reports


def _dtype(name: str) -> torch.dtype | None:
    import torch

    from mata_audio.models.loading import DTYPES

    if name not in DTYPES:
        hint = did_you_mean(name, DTYPES)
        raise SettingsError(f"dtype must be one of {', '.join(DTYPES)}; got {name!r}{hint}")
    return None if name == "auto" else getattr(torch, name)


def _write(path: Path, reports: list[DoctorReport]) -> None:
    import json
    import platform

    from mata_audio.storage.atomic_file import write_atomically
    from mata_audio.storage.environment import versions

    data = {
        "ok": all(report.ok for report in reports),
        "versions": versions(),
        "machine": platform.machine(),
        "reports": [report.to_dict() for report in reports],
    }
    write_atomically(path, json.dumps(data, indent=2) + "\n")
