"""Numbers as the report writes them."""

from __future__ import annotations

import math

ABSENT = "–"  # noqa: RUF001 - the dash that stands for a figure that does not exist
MINUS = "\N{MINUS SIGN}"
SPACE = "\N{NO-BREAK SPACE}"
SMALLEST_P = 0.0001


def percent(fraction: float) -> str:
    """Return ``71.1 %`` for 0.711."""
    return f"{bare_percent(fraction)}{SPACE}%" if math.isfinite(fraction) else ABSENT


def bare_percent(fraction: float) -> str:
    """Return ``71.1`` for 0.711."""
    return f"{100 * fraction:.1f}" if math.isfinite(fraction) else ABSENT


def points(fraction: float) -> str:
    """Return a difference of two fractions in signed percentage points: ``+2.5`` for 0.025."""
    if not math.isfinite(fraction):
        return ABSENT
    digits = f"{abs(100 * fraction):.1f}"
    if digits == "0.0":
        return digits
    return f"{MINUS if fraction < 0 else '+'}{digits}"


def p_value(p: float) -> str:
    """Return two significant digits, or ``< 0.0001``."""
    if not math.isfinite(p):
        return ABSENT
    if p < SMALLEST_P:
        return f"<{SPACE}{SMALLEST_P}"
    exponent = int(f"{p:.1e}".partition("e")[2])
    return f"{p:.{1 - exponent}f}"


def equals_p(p: float) -> str:
    """Return ``= 0.047``, or ``< 0.0001``."""
    text = p_value(p)
    return text if text.startswith("<") else f"={SPACE}{text}"


def counted(number: int, noun: str, plural: str = "") -> str:
    """Return ``1 item`` or ``1,000 items``."""
    return f"{number:,}{SPACE}{noun if number == 1 else plural or noun + 's'}"


def seconds(length: float, heard: float) -> str:
    """Return a clip's length, and how much of it was heard where that is less."""
    if not (math.isfinite(length) and math.isfinite(heard)):
        return ""
    if heard < length - 0.05:
        return f"{heard:.1f} of {length:.1f}{SPACE}s heard"
    return f"{length:.1f}{SPACE}s"
