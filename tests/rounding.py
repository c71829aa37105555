"""Texts with figures, held against each other: a decimal may differ by one in its last place.

Processors add numbers of 32 bits in another order, so a figure that lies between two decimals is
rounded to either. Whole numbers, such as counts, are the same everywhere.
"""

from __future__ import annotations

import re
from decimal import Decimal

NUMBER = re.compile(r"\d+(?:\.\d+)?(?:e-\d+)?")


def shows(text: str, part: str) -> bool:
    """Whether ``part`` is somewhere in ``text``, but for such decimals."""
    return any(_close(own.groups(), part) for own in _pattern(part).finditer(text))


def is_same(text: str, other: str) -> bool:
    """Whether two texts are the same, but for such decimals."""
    found = _pattern(other).fullmatch(text)
    return found is not None and _close(found.groups(), other)


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(f"({NUMBER.pattern})".join(map(re.escape, NUMBER.split(text))))


def _close(numbers: tuple[str, ...], other: str) -> bool:
    for one, two in zip(map(Decimal, numbers), map(Decimal, NUMBER.findall(other)), strict=True):
        exponent = two.as_tuple().exponent
        assert isinstance(exponent, int)
        if abs(one - two) > (Decimal(1).scaleb(exponent) if exponent < 0 else 0):
            return False
    return True
