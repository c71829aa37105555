"""Writing to a terminal what a model, a file or a user said, so that no text can act on it."""

from __future__ import annotations

import re
import sys
from typing import TextIO

_ACTING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters other than tabs and line ends, marks that turn text around, half surrogates.

Escape sequences can colour and clear the screen, rename the window or write its clipboard.
"""


def plain(text: str) -> str:
    """Return text with each character that a terminal could act on, or not write, as U+FFFD."""
    return _ACTING.sub("\ufffd", text)


def write(text: str, stream: TextIO) -> None:
    """Write text at once, with backslashes for characters that the stream's encoding lacks."""
    encoding = stream.encoding or "utf-8"
    stream.write(text.encode(encoding, "backslashreplace").decode(encoding))
    stream.flush()


def show(value: object = "") -> None:
    """Print a result on stdout, as plain text, and a line end."""
    write(f"{plain(str(value))}\n", sys.stdout)
