"""``mata methods``: every method, its fields and what it costs; no model is loaded."""

from __future__ import annotations

import argparse
import inspect
import re
import textwrap
from dataclasses import Field
from typing import Any

from mata_audio.cli.options.setting import OPTIONS
from mata_audio.cli.terminal import show
from mata_audio.methods import METHODS, Method
from mata_audio.methods.method import method_named, ordered_fields
from mata_audio.settings.from_words import can_be_written, to_words
from mata_audio.settings.in_words import cost

WIDTH = 100
NAME = 10

COMMON = "on_no_audio"
"""The field that all methods have."""

_ROLE = re.compile(r":\w+:`~?(?:[\w.]+\.)?(\w+)`")

HELP = "list the methods, or show one with its fields"

DESCRIPTION = """\
List every method that --method takes: what it does, its fields with their defaults, its source, and
what it costs; plain decoding costs 1 row a token. With a NAME, show how it is defined and what its
fields mean.
"""

EXAMPLES = """\
examples:
  mata methods
  mata methods contrast

--alpha, --layers, --heads, --formula, --rows and --tokens set the fields of these names, --option
FIELD=VALUE any other. All methods also have on_no_audio, which is raise or ignore.
"""


def add_options(parser: argparse.ArgumentParser) -> None:
    """Add the command's options."""
    parser.add_argument("name", nargs="?", metavar="NAME", help="show only this method, in full")


def run(args: argparse.Namespace) -> int:
    """Print the table, or one method.

    Raises:
        SettingsError: there is no method of that name.
    """
    if args.name is not None:
        show(in_full(method_named(args.name, "mata methods")))
    else:
        show("\n\n".join(in_short(cls) for cls in in_order()))
    return 0


def in_order() -> list[type[Method]]:
    """Return every method: the paper's first, then by name."""
    return sorted(METHODS.values(), key=lambda cls: (cls.name != "mata", cls.name))


def in_short(cls: type[Method]) -> str:
    """Return what a method does, its fields, cost and source, in a few lines."""
    rows = {
        "": cls.summary,
        "fields": ", ".join(f"{own.name} {_default(cls, own)}" for own in own_fields(cls)),
        "cost": cost(cls()),
        "source": cls.source,
    }
    lines = []
    for label, text in rows.items():
        start = f"{'' if label else cls.name:<{NAME}}{label:<{8 if label else 0}}"
        lines += textwrap.wrap(
            text,
            WIDTH,
            initial_indent=start,
            subsequent_indent=" " * (NAME + 8),
            break_on_hyphens=False,
        )
    return "\n".join(lines)


def in_full(cls: type[Method]) -> str:
    """Return how a method is defined, and each field with its default and how to give it."""
    parts = [f"{cls.name}: {cls.summary}", _told(cls)]
    for base in cls.__mro__[1:]:
        if issubclass(base, Method) and base is not Method:
            arguments = _told(base).partition("\nArgs:\n")[2]
            parts.append(f"Args of {base.__name__}:\n{arguments}")
    parts += [f"cost: {cost(cls())}", f"source: {cls.source}"]
    lines = [f"{'field':<14}{'default':<16}how to give it"]
    for own in ordered_fields(cls):
        how = f"--{own.name}" if own.name in OPTIONS else f"--option {own.name}=..."
        if not can_be_written(own):
            how = "in a file, with --settings"
        lines.append(f"{own.name:<14}{_default(cls, own):<16}{how}")
    return "\n\n".join([*parts, "\n".join(lines)])


def own_fields(cls: type[Method]) -> list[Field[Any]]:
    """Return a method's fields, but for the one that all have."""
    return [own for own in ordered_fields(cls) if own.name != COMMON]


def _told(cls: type[Method]) -> str:
    """Return a class's docstring for a terminal, without its errors and its Python example."""
    text = re.sub(r"\n\n(Raises|Example):(\n+    .*)+", "", inspect.cleandoc(cls.__doc__ or ""))
    return _ROLE.sub(r"\1", text).replace("``", "").replace(" and errors are", " are")


def _default(cls: type[Method], own: Field[Any]) -> str:
    if not can_be_written(own):
        return "(in a file)"
    return to_words(own.name, getattr(cls(), own.name))
