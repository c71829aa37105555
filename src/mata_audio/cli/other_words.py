"""Words of neighbouring tools and of earlier versions: what they are called here."""

from __future__ import annotations

import argparse
from collections.abc import Mapping

OPTIONS: Mapping[str, tuple[str, str]] = {
    "--items": (
        "--items N runs the first N items",
        "limit num-samples max-samples n-samples num-items max-items n",
    ),
    "--out": (
        "--out FOLDER says where files are written",
        "output output-path output-dir output-folder out-dir outdir work-dir save-dir log-dir o",
    ),
    "--task": (
        "--task NAME is the benchmark, one for a run",
        "tasks benchmark benchmarks dataset",
    ),
    "--data": (
        "--data PATH is where the benchmark's data is",
        "data-dir data-path data-folder dataset-path",
    ),
    "--split": ("--split NAME is a part of the benchmark", "subset"),
    "--max-new-tokens": (
        "--max-new-tokens N is the longest answer",
        "max-tokens max-gen-toks max-length gen-kwargs",
    ),
    "--dtype": ("--dtype NAME is the number format", "torch-dtype precision fp16 bf16"),
    "--attention": (
        "--attention NAME is the attention backend",
        "attn attn-implementation attention-implementation attention-backend flash-attn",
    ),
    "--device": ("--device NAME says where to run", "gpu gpus cuda device-map"),
    "--batch-size": (
        "--batch-size N is the number of prompts in one batch",
        "batch bs max-batch-size per-device-eval-batch-size",
    ),
    "--workers": ("--workers N is how many prepare clips", "num-workers num-proc nproc"),
    "--reader": ("--reader NAME says how answers are read", "answer-reader filter"),
    "--template": (
        "--template NAME is the prompt's",
        "prompt prompt-template apply-chat-template",
    ),
    "--alpha": ("--alpha NUMBER is the strength", "alphas strength gain"),
    "--alphas": ("--alphas LIST are the strengths to try", "alpha strengths"),
    "--method": ("--method NAME is one method", "methods"),
    "--methods": ("--methods LIST are the methods, with commas", "method"),
    "--formulas": ("--formulas LIST are the formulas to try, with commas", "formula"),
    "--audio": ("--audio FILE is a clip", "clip file wav audio-path"),
    "--clips": ("--clips says which clips the page holds", "audio"),
    "--keep-clips": ("--keep-clips FOLDER keeps the clips", "keep"),
    "--choose-items": ("--choose-items N is the number of items to choose on", "choose-limit"),
    "--debug": (
        "--debug shows tracebacks, and the warnings of other libraries",
        "verbose verbosity v",
    ),
}
"""By option: what is said of it, and its other names, without dashes and with ``-`` for ``_``."""

MODEL = "model model-name model-path model-id model-args pretrained checkpoint ckpt m"
"""Other names of MODEL, which is no option."""

COMMANDS: Mapping[str, str] = {
    "run": "mata eval runs a benchmark, mata ask answers one question",
    "test": "mata eval runs a benchmark, mata doctor checks a model",
    "bench": "mata eval runs a benchmark",
    "benchmark": "mata eval runs a benchmark",
    "generate": "mata ask answers a question about a clip",
    "infer": "mata ask answers a question about a clip",
    "chat": "mata ask MODEL --chat --audio FILE answers one question after another",
    "gui": "mata web opens a page in the browser",
    "ui": "mata web opens a page in the browser",
    "plot": "mata pictures draws a run",
    "list": "mata methods lists the methods, mata eval --help the benchmarks",
    "tasks": "mata eval --help lists the benchmarks",
    "tune": "mata choose MODEL --by tune fits gains",
    "fit": "mata choose MODEL --by tune fits gains",
    "check": "mata doctor checks a model",
    "show": "mata info shows a model, mata methods a method",
    "help": "write mata --help",
    "version": "write mata --version",
}
"""By a command that is known elsewhere: what there is here."""


def other_option(word: str, parser: argparse.ArgumentParser) -> str:
    """Return what an option that a command lacks is called here; "" if nothing is known of it.

    Args:
        word: as it was written, such as ``--output_path``.
        parser: the command's.
    """
    name = word.lstrip("-").replace("_", "-").casefold()
    if name in MODEL.split() and any(own.metavar == "MODEL" for own in parser._actions):
        return f"MODEL is the first argument: {parser.prog} MODEL ..."
    for option, (said, others) in OPTIONS.items():
        if name in others.split() and option in parser._option_string_actions:
            return said
    return ""
