"""What inspect_ai finds at the entry point: the provider and the task.

Both are made when they are asked for, so that ``inspect`` starts without torch.
"""

from __future__ import annotations

from typing import Any

from inspect_ai import Task, task
from inspect_ai.model import modelapi


@modelapi(name="mata")
def mata() -> Any:
    """Return the class of the provider ``mata/...``."""
    from mata_audio.harnesses.inspect_ai.provider import MataAPI

    return MataAPI


@task
def benchmark(
    task: str = "tiny",
    data: str | None = None,
    split: str | None = None,
    template: str | None = None,
    reader: str | None = None,
    max_tokens: int | None = None,
) -> Task:
    """One of our benchmarks: its prompts, greedy answers, and its official rule.

    Args:
        task: name of the benchmark, as for ``mata eval --task``.
        data: its folder, question file or hub id.
        split: the benchmark's split; its first by default.
        template: prompt template, by name or as a file; by model and benchmark by default.
        reader: answer reader; the benchmark's by default.
        max_tokens: longest answer; the benchmark's by default.
    """
    from mata_audio.harnesses.inspect_ai.task import make_task

    return make_task(task, data, split, template, reader, max_tokens)
