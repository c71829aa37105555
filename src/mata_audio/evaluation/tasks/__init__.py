"""The benchmarks by name. A new one is a file here and a line in the table."""

from __future__ import annotations

from mata_audio.errors import SettingsError
from mata_audio.evaluation.task import Task
from mata_audio.evaluation.tasks.air_bench import AirBench
from mata_audio.evaluation.tasks.jsonl import Jsonl
from mata_audio.evaluation.tasks.mmar import Mmar
from mata_audio.evaluation.tasks.mmau import Mmau
from mata_audio.evaluation.tasks.mmau_pro import MmauPro
from mata_audio.evaluation.tasks.mmsu import Mmsu
from mata_audio.evaluation.tasks.tiny import Tiny

TASKS: dict[str, Task] = {
    task.name: task for task in (Mmau(), Mmar(), Mmsu(), MmauPro(), AirBench(), Tiny(), Jsonl())
}


def task_named(name: str) -> Task:
    """Return a benchmark.

    Raises:
        SettingsError: there is none of that name.
    """
    if name not in TASKS:
        raise SettingsError(f"no such task: {name!r}; allowed are {', '.join(TASKS)}")
    return TASKS[name]
