"""An argument parser with one-line errors, the option that all commands share, and numbers."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any, NoReturn

from mata_audio.cli.terminal import plain

WIDTH = 80


class Parser(argparse.ArgumentParser):
    """``ArgumentParser`` with one-line errors and epilogs kept as written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        kwargs["description"] = textwrap.fill(kwargs["description"], WIDTH)
        super().__init__(*args, **kwargs)
        self.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show tracebacks, and the warnings of other libraries",
        )

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 after one line on stderr."""
        self.exit(2, plain(f"{self.prog}: error: {message} (see {self.prog} --help)\n"))


def add_number(
    group: argparse._ActionsContainer, name: str, text: str, default: int | None = None, **more: Any
) -> None:
    """Add an option with a whole number. ``text`` is its help, to which its default is added."""
    shown = text if default is None else f"{text} (default: {default})"
    group.add_argument(name, type=int, default=default, metavar="N", help=shown, **more)
