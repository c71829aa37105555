"""The progress of an evaluation on stderr: a line that renews itself, or a line now and then."""

from __future__ import annotations

import sys
import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from mata_audio.evaluation.running.runner import Progress

LOG_SECONDS = 30.0
TERMINAL_SECONDS = 0.2
MOST_SHOWN = 4
"""Settings in a line; of more, the baseline and the best are shown."""


class RunProgress:
    """Shows how far a run is, with rate, time left and running accuracies.

    On a terminal one line is written over; in a log file there is a new line every 30 seconds, at
    every tenth of the items, and at the end.
    """

    def __init__(self) -> None:
        self._terminal = sys.stderr.isatty()
        self._shown = 0.0
        self._tenth = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._terminal and self._shown:
            print(file=sys.stderr, flush=True)

    def show(self, progress: Progress) -> None:
        """Show ``progress`` where it is time to."""
        now = time.monotonic()
        finished = progress.done == progress.total
        tenth = 10 * progress.done // progress.total
        due = now - self._shown >= (TERMINAL_SECONDS if self._terminal else LOG_SECONDS)
        if not (due or finished or (tenth > self._tenth and not self._terminal)):
            return
        self._shown, self._tenth = now, tenth
        start, end = ("\r\x1b[K", "") if self._terminal else ("", "\n")
        print(f"{start}mata: {line(progress)}", end=end, file=sys.stderr, flush=True)


def line(progress: Progress) -> str:
    """Return the state of a run in one line."""
    parts = [f"{progress.done:,} of {progress.total:,} ({progress.done / progress.total:.0%})"]
    left = progress.seconds_left
    if left is not None:
        parts.append(f"{_rate(progress.rate)}, {_duration(left)} left")
    accuracy = {
        name: 100 * progress.correct[name] / count for name, count in progress.scored.items()
    }
    parts += [f"{name} {accuracy[name]:.1f} %" for name in _shown(accuracy)]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return "  ".join(parts)


def _shown(accuracy: dict[str, float]) -> list[str]:
    """Return all settings, or of many the baseline (which comes first) and the best."""
    names = list(accuracy)
    return (
        names if len(names) <= MOST_SHOWN else [names[0], max(names[1:], key=accuracy.__getitem__)]
    )


def _rate(rate: float) -> str:
    return f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
