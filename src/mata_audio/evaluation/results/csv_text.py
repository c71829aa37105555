"""CSV that a spreadsheet shows as it is: no cell of it is a formula."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_FORMULAS = ("=", "+", "-", "@", "\t", "\r", "\n", "＝", "＋", "－", "＠")  # noqa: RUF001
_NUMBER = re.compile(r"[+-]?\d+(\.\d+)?(e[+-]?\d+)?", re.ASCII | re.IGNORECASE)


def csv_text(rows: Iterable[Sequence[object]]) -> str:
    """Return rows as CSV.

    A text that a spreadsheet would take for a formula gets an apostrophe in front, as spreadsheets
    themselves write it. Numbers stay numbers, and so do texts that are numbers.
    """
    return "".join(f"{','.join(map(_cell, row))}\n" for row in rows)


def _cell(value: object) -> str:
    text = str(value)
    if isinstance(value, str) and text.startswith(_FORMULAS) and not _NUMBER.fullmatch(text):
        text = f"'{text}"
    # The csv module leaves a lone carriage return unquoted, which readers take for a line end.
    return '"' + text.replace('"', '""') + '"' if re.search(r'[,"\r\n]', text) else text
