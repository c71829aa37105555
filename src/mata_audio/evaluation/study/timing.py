"""How long a study takes, from a few timed items, and what a prompt takes under each setting."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from mata_audio.errors import DataError
from mata_audio.evaluation.running.batches import prepared_batches
from mata_audio.evaluation.running.fitting_limit import batch_limit
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.prepare import Prepared
from mata_audio.evaluation.running.stacking import stacked, stacked_others
from mata_audio.models.loading import Loaded
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.settings.named import BASELINE, NamedSetting
from mata_audio.storage.atomic_file import write_atomically

TIMED = 8
"""Items that are timed."""
FILE = "timing.json"


@dataclass(frozen=True)
class Estimate:
    """Seconds that the parts of a study will take, about."""

    choosing: float
    fitting: float
    reporting: float

    @property
    def total(self) -> float:
        """All parts."""
        return self.choosing + self.fitting + self.reporting

    def __str__(self) -> str:
        parts = {"choosing": self.choosing, "fitting": self.fitting, "reporting": self.reporting}
        told = ", ".join(f"{name} {hours(own)}" for name, own in parts.items() if own)
        return f"about {hours(self.total)} in all: {told}"


def hours(seconds: float) -> str:
    """Return a time in hours or minutes."""
    return f"{seconds / 3600:.1f} hours" if seconds >= 5400 else f"{seconds / 60:.0f} minutes"


class Stopwatch:
    """Times settings on the first items of a plan, each time the same.

    Args:
        plan: with all settings that will be timed, whose second prompts are then prepared.
        loaded: its model.

    Raises:
        DataError: none of the items can be read.
    """

    def __init__(self, plan: Plan, loaded: Loaded) -> None:
        self._loaded = loaded
        self._config = greedy(loaded.model, loaded.processor.tokenizer, plan.max_new_tokens)
        limit = batch_limit(plan.options.batch_size, loaded.model, len(plan.settings))
        items = plan.items[:TIMED]
        self._batches = list(
            prepared_batches(plan, loaded, items, lambda: limit, lambda failed: None, plan.batching)
        )
        if not self._batches:
            raise DataError("no item could be prepared: run mata eval to see the reasons")
        self._answer(self._batches[0], [NamedSetting(BASELINE, None)])  # the first is slower

    def seconds(self, settings: Sequence[NamedSetting]) -> float:
        """Return the seconds that a prompt takes under all these settings."""
        start = time.perf_counter()
        for batch in self._batches:
            self._answer(batch, settings)
        return (time.perf_counter() - start) / sum(map(len, self._batches))

    def _answer(self, batch: Sequence[Prepared], settings: Sequence[NamedSetting]) -> None:
        generate_all(
            self._loaded.model,
            stacked(batch, self._loaded),
            settings,
            self._config,
            tokenizer=self._loaded.processor.tokenizer,
            others=stacked_others(batch, self._loaded),
        )
        if torch.cuda.is_available():
            torch.cuda.synchronize()


def load_timing(folder: Path, made_from: Mapping[str, Any]) -> dict[str, float] | None:
    """Return stored times by setting name; None if there are none of this study."""
    try:
        data = json.loads((folder / FILE).read_text(encoding="utf-8"))
        if data["made_from"] != json.loads(json.dumps(dict(made_from))):
            return None
        return {str(name): float(own) for name, own in data["seconds"].items()}
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None


def save_timing(folder: Path, seconds: Mapping[str, float], made_from: Mapping[str, Any]) -> None:
    """Write times, so that a study which goes on later ends with the same file."""
    data = {"made_from": dict(made_from), "seconds": dict(seconds)}
    write_atomically(folder / FILE, json.dumps(data, indent=1) + "\n")
