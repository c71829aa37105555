"""Numbers as every table, page and picture writes them."""

from __future__ import annotations

import math

ABSENT = "–"  # noqa: RUF001 - a figure that does not exist
SMALLEST_P = 0.0001


def percent(fraction: float) -> str:
    """Return ``71.1`` for 0.711."""
    return f"{100 * fraction:.1f}" if math.isfinite(fraction) else ABSENT


def points(fraction: float) -> str:
    """Return a difference of two fractions in signed percentage points: ``+2.5`` for 0.025."""
    if not math.isfinite(fraction):
        return ABSENT
    return f"{round(100 * fraction, 1) + 0.0:+.1f}"  # adding 0.0 makes -0.0 positive


def p_value(p: float) -> str:
    """Return two significant digits, such as ``0.047`` or ``0.1``; or ``< 0.0001``."""
    if not math.isfinite(p):
        return ABSENT
    return f"< {SMALLEST_P}" if p < SMALLEST_P else f"{p:.2g}"


def equals_p(p: float) -> str:
    """Return ``= 0.047``, or ``< 0.0001``."""
    text = p_value(p)
    return text if text.startswith("<") else f"= {text}"


def counted(number: int, noun: str) -> str:
    """Return ``1 item`` or ``1,000 items``."""
    return f"{number:,} {noun if number == 1 else noun + 's'}"


def seconds(length: float, heard: float) -> str:
    """Return a clip's length, or how much of it the model heard if that is less."""
    if not (math.isfinite(length) and math.isfinite(heard)):
        return ""
    if heard < length - 0.05:
        return f"{heard:.1f} of {length:.1f} s heard"
    return f"{length:.1f} s"


def typeset(text: str) -> str:
    """Return ``text`` for a page or picture: with true minus signs and no-break spaces."""
    return text.replace("-", "\N{MINUS SIGN}").replace(" ", "\N{NO-BREAK SPACE}")
