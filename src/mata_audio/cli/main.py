"""``mata``: the command line, its dispatch and its exit codes."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib.metadata import version

from mata_audio.cli.commands import (
    ask,
    attention_profile,
    choose,
    compare,
    demo,
    doctor,
    evaluate,
    info,
    pictures,
    report,
    reproduce,
    rescore,
    score,
    sweep,
)
from mata_audio.cli.parser import Parser
from mata_audio.errors import MataError, SettingsError, SettingsTypeError

SUCCESS, FAILURE, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

EXAMPLES = """\
examples:
  mata demo --items 200
  mata ask tiny "Which sound is this?" --audio clip.wav
  mata eval --model tiny --task tiny --out runs/tiny
  mata report runs/tiny
  mata info Qwen/Qwen2-Audio-7B-Instruct

exit codes: 0 success, 1 failure, 2 wrong use
"""


def build_parser() -> Parser:
    """Return the parser of ``mata`` and its commands."""
    parser = Parser(
        prog="mata",
        description="More attention to audio in large audio-language models, at inference "
        "(MATA, arXiv 2509.18816).",
        epilog=EXAMPLES,
    )
    about = f"mata-audio {version('mata-audio')}"
    parser.add_argument("--version", action="version", version=about)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for command in (
        demo,
        ask,
        evaluate,
        attention_profile,
        sweep,
        choose,
        report,
        pictures,
        compare,
        score,
        rescore,
        reproduce,
        info,
        doctor,
    ):
        command.add_parser(commands)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code; results go to stdout, the rest to stderr.

    Args:
        arguments: words after ``mata``; None for those of this process.
    """
    try:
        args = build_parser().parse_args(arguments)
    except SystemExit as stopped:  # --help, --version and wrong use have been answered already
        return int(stopped.code or SUCCESS)
    debug = getattr(args, "debug", False)
    try:
        with warnings.catch_warnings():
            code: int = args.run(args)
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of stdout, such as `head`, has gone
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        print("mata: interrupted", file=sys.stderr)
        return INTERRUPTED
    except Exception as error:
        if debug:
            traceback.print_exc()
        print(f"mata: error: {_one_line(error, debug)}", file=sys.stderr)
        return WRONG_USE if isinstance(error, (SettingsError, SettingsTypeError)) else FAILURE


def _one_line(error: Exception, debug: bool) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, (MataError, OSError)):
        return text
    hint = "" if debug else " (unexpected; run again with --debug for the traceback)"
    return f"{type(error).__name__}: {text}{hint}"
