"""``mata completion``: a script for a shell that completes commands, options and names."""

from __future__ import annotations

import argparse
import sys

from mata_audio.cli.completion import SHELLS, script
from mata_audio.cli.terminal import write

HELP = "print a script that completes mata in a shell"

DESCRIPTION = """\
Print a script for bash, zsh or fish, to complete with the Tab key: commands, options, names of
benchmarks, methods and the like, files and folders. A key press starts no Python.
"""

EXAMPLES = """\
examples:
  mata completion bash > ~/.local/share/bash-completion/completions/mata
  mata completion zsh > ~/.zfunc/_mata
  mata completion fish > ~/.config/fish/completions/mata.fish

Make the folder first, write the file, and open a new shell. bash needs the package bash-completion,
zsh these lines in ~/.zshrc: fpath+=~/.zfunc; autoload -Uz compinit; compinit. Write the file again
after an update of mata-audio.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument(
        "shell",
        metavar="SHELL",
        choices=SHELLS,
        help="bash, zsh or fish",
    )


def run(args: argparse.Namespace) -> int:
    """Print the script."""
    from mata_audio.cli.main import build_parser

    write(script(build_parser(), args.shell), sys.stdout)
    return 0
