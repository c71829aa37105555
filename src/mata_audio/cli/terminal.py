"""Writing to a terminal what a model, a file or a user said, so that no text can act on it."""

from __future__ import annotations

import re
import shutil
import sys
import textwrap
import unicodedata
from typing import TextIO

_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters other than tabs and line ends, marks that turn text around, half surrogates.

Escape sequences can colour and clear the screen, rename the window or write its clipboard.
"""

_FILL = "\x00"
"""Stands for the second column of a wide letter, as plain text has no such character."""


def plain(text: str) -> str:
    """Return text with each character that a terminal could act on, or not write, as U+FFFD."""
    return _ACTING.sub("\ufffd", text)


def breadth(text: str) -> int:
    """Return how many columns of a terminal text takes; letters such as Chinese ones take two."""
    return sum(
        0 if unicodedata.combining(letter) else 1 + (unicodedata.east_asian_width(letter) in "WF")
        for letter in text
    )


def cell(text: str, width: int) -> str:
    """Return text on one line of a table, ``width`` columns wide: padded, or cut with dots."""
    line = " ".join(plain(text).split())
    if breadth(line) > width:
        while breadth(line) > width - 3:
            line = line[:-1]
        line += "..."
    return line + " " * (width - breadth(line))


def wrapped(text: str, width: int) -> list[str]:
    """Return a line of plain text as lines at most ``width`` columns wide, at least one."""
    filled = "".join(letter + _FILL * (breadth(letter) - 1) for letter in text)
    return [line.replace(_FILL, "") for line in textwrap.wrap(filled, width)] or [""]


def terminal_width(least: int = 60, most: int = 100) -> int:
    """Return the width to write in: the terminal's within bounds, and ``most`` for a file."""
    return min(max(shutil.get_terminal_size((most, 24)).columns, least), most)


def write(text: str, stream: TextIO) -> None:
    """Write text at once, with backslashes for characters that the stream's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def show(value: object = "") -> None:
    """Print a result on stdout, as plain text, and a line end."""
    write(f"{plain(str(value))}\n", sys.stdout)
