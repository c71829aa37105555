"""An argument parser with helpful one-line errors, the option all commands share, and numbers."""

from __future__ import annotations

import argparse
import re
import sys
import textwrap
from collections.abc import Sequence
from typing import Any, NoReturn

from mata_audio.cli.other_words import COMMANDS, other_option
from mata_audio.cli.terminal import plain
from mata_audio.notation.did_you_mean import did_you_mean

WIDTH = 80

_OPTION = re.compile("--?[a-zA-Z]")


class Parser(argparse.ArgumentParser):
    """``ArgumentParser`` with one-line errors and epilogs kept as written."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        kwargs.setdefault("formatter_class", argparse.RawDescriptionHelpFormatter)
        kwargs.setdefault("allow_abbrev", False)
        kwargs["description"] = textwrap.fill(kwargs["description"], WIDTH)
        super().__init__(*args, **kwargs)
        self._words: list[str] = []
        self.add_argument(
            "--debug",
            action="store_true",
            default=argparse.SUPPRESS,
            help="show tracebacks, and the warnings of other libraries",
        )

    def parse_known_args(  # type: ignore[override]  # no caller has a namespace of its own class
        self, args: Sequence[str] | None = None, namespace: argparse.Namespace | None = None
    ) -> tuple[argparse.Namespace, list[str]]:
        """Read words; unlike its base, exit with code 2 if there is one that nobody knows.

        A command that leaves this to its parent could not say which of its options was meant.
        """
        self._words = list(sys.argv[1:] if args is None else args)
        found, unknown = super().parse_known_args(self._words, namespace)
        for action in self._actions:
            optional = action.nargs == "?" and not action.option_strings
            left_out = optional and getattr(found, action.dest) == action.default
            if left_out and _is_plain(unknown[:1]):  # older Pythons miss one behind an option
                setattr(found, action.dest, unknown.pop(0))
        if unknown:
            said = _is_plain(unknown) and any(map(str.isalpha, "".join(unknown)))
            advice = ": put a text of several words in quotes" if said else ""
            self.error(f"unrecognized arguments: {' '.join(unknown)}{advice}")
        return found, unknown

    def error(self, message: str) -> NoReturn:
        """Exit with code 2 after one line on stderr."""
        greedy = [
            action.option_strings[0]
            for action in self._actions
            if action.nargs == "+" and set(action.option_strings) & set(self._words)
        ]
        if greedy and "required" in message:
            message += f"; {greedy[0]} takes all words behind it, so give them before it"
        message += self._meant_option(message)
        self.exit(2, plain(f"{self.prog}: error: {message} (see {self.prog} --help)\n"))

    def _meant_option(self, message: str) -> str:
        """Return what was probably meant by options that do not exist."""
        known = self._option_string_actions
        given = [word.partition("=")[0] for word in self._words if _OPTION.match(word)]
        unknown = [word for word in given if word not in known]
        ending = ""
        for place, word in enumerate(dict.fromkeys(unknown)):
            told = other_option(word, self)
            if told or not place:
                ending += "" if word in message else f"; there is no option {word}"
                ending += f"; {told}" if told else did_you_mean(word, known)
        return ending

    def _check_value(self, action: argparse.Action, value: Any) -> None:
        try:
            super()._check_value(action, value)
        except argparse.ArgumentError as error:
            error.message += did_you_mean(value, map(str, action.choices or ()))
            if isinstance(action, argparse._SubParsersAction) and value in COMMANDS:
                error.message = f"there is no command {value!r}: {COMMANDS[value]}"
            raise


def _is_plain(words: Sequence[str]) -> bool:
    """Whether there are words, and none of them is an option."""
    return bool(words) and not any(word.startswith("-") for word in words)


def add_number(
    group: argparse._ActionsContainer, name: str, text: str, default: int | None = None, **more: Any
) -> None:
    """Add an option with a whole number. ``text`` is its help, to which its default is added."""
    shown = text if default is None else f"{text} (default: {default})"
    group.add_argument(name, type=int, default=default, metavar="N", help=shown, **more)
