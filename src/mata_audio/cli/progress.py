"""Progress on stderr: a line that renews itself on a terminal, a line now and then in a log."""

from __future__ import annotations

import sys
import time
from typing import TYPE_CHECKING, Self

from mata_audio.cli.terminal import plain, write

if TYPE_CHECKING:
    from mata_audio.evaluation.running.progress import Progress

STEPS = 10
LOG_SECONDS = 30.0
TERMINAL_SECONDS = 0.2
MOST_SHOWN = 4
"""Settings shown in a line; if there are more, only the baseline and the best."""


def note(text: str) -> None:
    """Write one line of log."""
    write(f"mata: {_one_line(text)}\n", sys.stderr)


class RunProgress:
    """Shows how far a run is, with rate, time left and running accuracies.

    On a terminal one line is overwritten; in a log file there is a new line every 30 seconds, at
    every tenth of the items, and at the end.

    Attributes:
        latest: what was given to :meth:`show` last.
    """

    def __init__(self) -> None:
        self.latest: Progress | None = None
        self._terminal = sys.stderr.isatty()
        self._title = ""
        self._shown = 0.0
        self._tenth = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        if self._terminal and self._shown:
            write("\n", sys.stderr)

    def show(self, progress: Progress, title: str = "") -> None:
        """Show ``progress`` if it is time to; a new title ends the line and heads the next."""
        self.latest = progress
        if title != self._title:
            self.__exit__()
            self._title, self._shown, self._tenth = title, 0.0, -1
            note(f"{title}: {progress.total:,} items")
        now = time.monotonic()
        finished = progress.done == progress.total
        tenth = STEPS * progress.done // progress.total
        due = now - self._shown >= (TERMINAL_SECONDS if self._terminal else LOG_SECONDS)
        if not (due or finished or (tenth > self._tenth and not self._terminal)):
            return
        self._shown, self._tenth = now, tenth
        start, end = ("\r\x1b[K", "") if self._terminal else ("", "\n")
        write(f"{start}mata: {_one_line(line(progress))}{end}", sys.stderr)


def _one_line(text: str) -> str:
    return plain(text).replace("\n", " ")


def line(progress: Progress) -> str:
    """Return the state of a run in one line."""
    parts = [f"{progress.done:,} of {progress.total:,} ({progress.done / progress.total:.0%})"]
    left = progress.seconds_left
    if left is not None:
        parts.append(_speed(progress.rate, left))
    accuracy = {
        name: 100 * progress.correct[name] / count for name, count in progress.scored.items()
    }
    parts += [f"{name} {accuracy[name]:.1f} %" for name in _shown(accuracy)]
    if progress.failed:
        parts.append(f"{progress.failed:,} failed")
    return "  ".join(parts)


def _shown(accuracy: dict[str, float]) -> list[str]:
    """Return all names, or if there are many, the baseline (which comes first) and the best.

    The no-audio arm is never the best.
    """
    from mata_audio.evaluation.results.results import UNHEARD

    names = list(accuracy)
    if len(names) <= MOST_SHOWN:
        return names
    compared = [name for name in names[1:] if name != UNHEARD]
    return [names[0], max(compared, key=accuracy.__getitem__)]


def _speed(rate: float, seconds_left: float) -> str:
    """Return a rate, in items a second, and the time left."""
    speed = f"{rate:.1f} a second" if rate >= 1 else f"{60 * rate:.1f} a minute"
    return f"{speed}, {_duration(seconds_left)} left"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours} h {minutes:02d} min"
    return f"{minutes} min {rest:02d} s" if minutes else f"{rest} s"
