"""``mata``: the command line, its dispatch and its exit codes."""

from __future__ import annotations

import os
import sys
import traceback
import warnings
from collections.abc import Sequence
from importlib import import_module
from importlib.metadata import version

from mata_audio.cli.libraries import prepare_libraries, show_warnings
from mata_audio.cli.parser import Parser
from mata_audio.cli.progress import note
from mata_audio.cli.terminal import plain, write
from mata_audio.errors import MataError, SettingsError, SettingsTypeError
from mata_audio.needed_libraries import missing_library

SUCCESS, FAILURE, WRONG_USE, INTERRUPTED = 0, 1, 2, 130

COMMANDS = (
    "demo",
    "ask",
    "evaluate",
    "attention_profile",
    "sweep",
    "choose",
    "study",
    "serve",
    "web",
    "report",
    "pictures",
    "compare",
    "score",
    "rescore",
    "reproduce",
    "methods",
    "info",
    "doctor",
    "completion",
)
"""Modules of :mod:`mata_audio.cli.commands`, in the order of ``mata --help``."""

NAMES = {"evaluate": "eval", "attention_profile": "profile"}
"""Commands that differ from the names of their modules, which Python itself uses."""

EXAMPLES = """\
examples:
  mata demo --items 200
  mata ask tiny "Which sound is this?" --audio clip.wav
  mata eval tiny --task tiny --out runs/tiny
  mata report runs/tiny
  mata methods
  mata info Qwen/Qwen2-Audio-7B-Instruct

mata COMMAND --help shows a command's options and examples.
Exit codes: 0 success, 1 failure, 2 wrong use.
"""


def build_parser() -> Parser:
    """Return the parser of ``mata`` and its commands."""
    parser = Parser(
        prog="mata",
        description="Give audio more attention in large audio-language models, at inference "
        "(MATA, arXiv 2509.18816).",
        epilog=EXAMPLES,
    )
    about = f"mata-audio {version('mata-audio')}"
    parser.add_argument("--version", action="version", version=about)
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    for module in COMMANDS:
        command = import_module(f"mata_audio.cli.commands.{module}")
        own = commands.add_parser(
            NAMES.get(module, module),
            help=command.HELP,
            description=command.DESCRIPTION,
            epilog=command.EXAMPLES,
        )
        command.add_options(own)
        own.set_defaults(run=command.run)
    return parser


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command and return its exit code. Results go to stdout, everything else to stderr.

    Args:
        arguments: the words after ``mata``; None to read them from this process.
    """
    try:
        args = build_parser().parse_args(arguments)
    except SystemExit as stopped:  # after --help, --version or wrong use
        return int(stopped.code or SUCCESS)
    debug = getattr(args, "debug", False)
    try:
        with warnings.catch_warnings():
            show_warnings(debug)
            prepare_libraries(args)
            code: int = args.run(args)
            sys.stdout.flush()
        return code
    except BrokenPipeError:  # the reader of stdout, such as `head`, has closed it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return FAILURE
    except KeyboardInterrupt:
        note("interrupted")
        return INTERRUPTED
    except Exception as caught:
        error = missing_library(caught) or caught
        if debug:
            write(plain(traceback.format_exc()), sys.stderr)
        note(f"error: {_one_line(error, debug)}")
        return WRONG_USE if isinstance(error, (SettingsError, SettingsTypeError)) else FAILURE


def _one_line(error: Exception, debug: bool) -> str:
    text = " ".join(str(error).split())
    if isinstance(error, (MataError, OSError)):
        return text
    hint = "" if debug else " (unexpected; run again with --debug for the traceback)"
    return f"{type(error).__name__}: {text}{hint}"
