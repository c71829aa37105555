"""Names for pictures: printable and on few lines."""

from __future__ import annotations

import textwrap
import unicodedata

ELLIPSIS = "\N{HORIZONTAL ELLIPSIS}"
UNPRINTABLE = "\N{REPLACEMENT CHARACTER}"


def label(name: str, width: int = 24, lines: int = 2) -> str:
    """Return ``name`` on at most ``lines`` lines of about ``width`` letters.

    Replaces what XML cannot hold, such as control characters and lone surrogates.
    """
    text = "".join(map(_printable, " ".join(name.split())))
    if text:
        width = max(4, int(width * len(text) / sum(map(_breadth, text))))
    wrapped = textwrap.wrap(text, width, break_on_hyphens=False) or [""]
    if len(wrapped) > lines:
        last = wrapped[lines - 1][: width - 1].rstrip() + ELLIPSIS
        wrapped = [*wrapped[: lines - 1], last]
    return "\n".join(wrapped)


def _breadth(letter: str) -> float:
    """Return about how wide a letter is, as a multiple of an ordinary small one."""
    if unicodedata.east_asian_width(letter) in "WF":
        return 2.0
    if letter in "mwMW@%":
        return 1.5
    return 1.15 if letter.isupper() else 1.0


def _printable(letter: str) -> str:
    # "Co" are private letters, "Cn" such as U+FFFF; "Cf" could reverse the rest.
    return UNPRINTABLE if unicodedata.category(letter)[0] == "C" else letter
