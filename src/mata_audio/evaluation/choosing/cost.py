"""What a fit will need: memory for the kept prompts, time to read them, time for the steps."""

from __future__ import annotations

from dataclasses import dataclass

from mata_audio.evaluation.choosing.fitting import Fitting

_SIZES = {"GB": 1e9, "MB": 1e6, "kB": 1e3}


@dataclass(frozen=True)
class Sample:
    """What one prompt needed, on average over some batches.

    Args:
        kept_bytes: size of its keys and values.
        reading: seconds to read it.
        step: seconds of a forward and a backward pass over its answer.
    """

    kept_bytes: float
    reading: float
    step: float


@dataclass(frozen=True)
class Cost:
    """What a fit will need, estimated.

    Args:
        kept_bytes: of the kept prompts.
        reading: seconds to read them.
        fitting: seconds of all steps; fewer if it stops early.
    """

    kept_bytes: float
    reading: float
    fitting: float

    def in_words(self) -> str:
        """Return the estimate in words."""
        return (
            f"about {_size(self.kept_bytes)} for the kept prompts, {_time(self.reading)} to read "
            f"them and up to {_time(self.fitting)} to fit"
        )


def cost(sample: Sample, fitting: Fitting, items: int) -> Cost:
    """Estimate what a fit will need.

    A step is a forward and a backward pass over the items that are fitted on, and a forward pass,
    counted as half of that, over those that decide when to stop.

    Args:
        sample: measured on some of the items.
        fitting: how to fit.
        items: tuning items in all.
    """
    kept_back = fitting.validation if fitting.folds == 1 else 1 / fitting.folds
    each = fitting.folds * fitting.steps * items * (1 - kept_back / 2)
    return Cost(
        kept_bytes=sample.kept_bytes * items,
        reading=sample.reading * items,
        fitting=sample.step * each,
    )


def _size(count: float) -> str:
    for unit, size in _SIZES.items():
        if count >= size:
            return f"{count / size:.3g} {unit}"
    return f"{count:.0f} bytes"


def _time(seconds: float) -> str:
    if seconds < 90:
        return f"{max(1, round(seconds))} s"
    return f"{seconds / 60:.0f} min" if seconds < 5400 else f"{seconds / 3600:.1f} h"
