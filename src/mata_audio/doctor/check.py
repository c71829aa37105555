"""The result of one check, and the report of all checks."""

from __future__ import annotations

import textwrap
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any, Literal

from mata_audio.shown.one_line import OneLine

Outcome = Literal["pass", "fail", "skip", "info"]

_WIDTH = 100


@dataclass(frozen=True)
class Check(OneLine):
    """The result of one check.

    Args:
        name: what was checked.
        outcome: "pass", "fail", "skip" (the check could prove nothing) or "info" (not judged).
        figure: what was measured, and against what; or why the check was skipped.
        advice: what to do; "" if there is nothing to do.
        difference: largest difference between logits; None if no logits were compared.
    """

    name: str
    outcome: Outcome
    figure: str
    advice: str = ""
    difference: float | None = None


class Skipped(Exception):
    """Raised in a check that can prove nothing here; the message says why."""


@dataclass(frozen=True)
class DoctorReport(OneLine):
    """All checks of one model.

    Args:
        model: the model's name.
        model_class: the name of its class.
        checks: the results, in the order the checks ran.
        seconds: how long all checks took.
    """

    model: str
    model_class: str
    checks: tuple[Check, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """Whether no check failed."""
        return not self.failures

    @property
    def failures(self) -> list[Check]:
        """The checks that failed."""
        return [check for check in self.checks if check.outcome == "fail"]

    @property
    def worst(self) -> float | None:
        """The largest difference between logits in any check."""
        found = [check.difference for check in self.checks if check.difference is not None]
        return max(found, default=None)

    def count(self, outcome: Outcome) -> int:
        """Return how many checks ended in ``outcome``."""
        return Counter(check.outcome for check in self.checks)[outcome]

    def to_dict(self) -> dict[str, Any]:
        """Return the report for JSON."""
        return {
            "model": self.model,
            "class": self.model_class,
            "ok": self.ok,
            "seconds": round(self.seconds, 2),
            "worst_difference": self.worst,
            "checks": [asdict(check) for check in self.checks],
        }

    def __str__(self) -> str:
        lines = [f"{self.model} ({self.model_class})", ""]
        lines += [line for check in self.checks for line in check_lines(check)]
        return "\n".join([*lines, "", summary(self)])


def summary(report: DoctorReport) -> str:
    """Return how many checks passed, failed and were skipped, in one line."""
    return (
        f"{report.count('pass')} passed, {report.count('fail')} failed, "
        f"{report.count('skip')} skipped, in {report.seconds:.1f} s"
    )


def check_lines(check: Check) -> list[str]:
    """Return a check as lines of a table: outcome, name and figure, with the advice below."""
    start = f"{check.outcome:<6}{check.name:<30}"
    rest = " " * len(start)
    width = _WIDTH - len(start)
    lines = textwrap.wrap(check.figure, width) or [""]
    if check.advice:
        lines += textwrap.wrap(f"-> {check.advice}", width, subsequent_indent="   ")
    return [start + lines[0], *(rest + line for line in lines[1:])]
