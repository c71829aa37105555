"""Evaluation: run benchmarks, score them as their own scripts do, compare settings item by item.

The names below are imported on first use, so that scoring a file needs no PyTorch.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mata_audio.evaluation.results.results import Results
    from mata_audio.evaluation.results.results_file import load_results
    from mata_audio.evaluation.running.evaluate import evaluate
    from mata_audio.evaluation.running.plan import Options
    from mata_audio.evaluation.running.progress import Progress
    from mata_audio.evaluation.task import Grouping, Task
    from mata_audio.settings.named import NamedSetting, load_setting

_WHERE = {
    "Grouping": "evaluation.task",
    "NamedSetting": "settings.named",
    "Options": "evaluation.running.plan",
    "Progress": "evaluation.running.progress",
    "Results": "evaluation.results.results",
    "Task": "evaluation.task",
    "evaluate": "evaluation.running.evaluate",
    "load_results": "evaluation.results.results_file",
    "load_setting": "settings.named",
}

__all__ = [
    "Grouping",
    "NamedSetting",
    "Options",
    "Progress",
    "Results",
    "Task",
    "evaluate",
    "load_results",
    "load_setting",
]


def __dir__() -> list[str]:
    return sorted(__all__)


def __getattr__(name: str) -> Any:
    if name not in _WHERE:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"mata_audio.{_WHERE[name]}"), name)
