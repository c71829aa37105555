"""What one run of ``mata`` gave, and how its errors must look."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple


class Outcome(NamedTuple):
    """Exit code and output of one run."""

    code: int
    out: str
    err: str


Mata = Callable[..., Outcome]


def error_line(outcome: Outcome) -> str:
    """Return the only line of stderr that is an error; nothing may be on stdout."""
    assert outcome.out == ""
    assert "Traceback" not in outcome.err
    lines = [line for line in outcome.err.splitlines() if "error: " in line]
    assert lines == [outcome.err.splitlines()[-1]]
    return lines[0]
