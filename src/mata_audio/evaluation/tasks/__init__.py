"""The benchmarks, by name. To add one, write a file here and add a line to ``TASKS``."""

from __future__ import annotations

from pathlib import Path

from mata_audio.errors import SettingsError
from mata_audio.evaluation.task import Task
from mata_audio.evaluation.tasks.air_bench import AirBench
from mata_audio.evaluation.tasks.jsonl import Jsonl
from mata_audio.evaluation.tasks.mmar import Mmar
from mata_audio.evaluation.tasks.mmau import Mmau
from mata_audio.evaluation.tasks.mmau_pro import MmauPro
from mata_audio.evaluation.tasks.mmsu import Mmsu
from mata_audio.evaluation.tasks.tiny import Tiny
from mata_audio.notation.did_you_mean import did_you_mean

TASKS: dict[str, Task] = {
    task.name: task for task in (Mmau(), Mmar(), Mmsu(), MmauPro(), AirBench(), Tiny(), Jsonl())
}

WITH_OFFICIAL_SCRIPT = tuple(name for name, task in TASKS.items() if task.official_script)
"""Names of the benchmarks that :func:`official_output` scores."""


def task_named(name: str) -> Task:
    """Return a benchmark by its name.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in TASKS:
        hint = did_you_mean(name, TASKS)
        raise SettingsError(f"no such task: {name!r}{hint}; allowed are {', '.join(TASKS)}")
    return TASKS[name]


def official_output(benchmark: str, file: str | Path) -> str:
    """Return what a benchmark's official script prints for a prediction file, to the byte.

    Raises:
        ScoringError: a file or a record that the official script would crash on.
        SettingsError: a benchmark without an official script.
    """
    task = TASKS.get(benchmark)
    if task is None or task.official_script is None:
        allowed = ", ".join(WITH_OFFICIAL_SCRIPT)
        hint = did_you_mean(benchmark, WITH_OFFICIAL_SCRIPT)
        raise SettingsError(f"benchmark must be one of {allowed}; got {benchmark!r}{hint}")
    return task.official_script.output_for(file)
