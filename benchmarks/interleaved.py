"""Interleaved measurement: rounds of all variants, clock, peak memory, and ratios by round."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

import torch

Cost = TypeVar("Cost")


def measure_rounds(
    variants: Mapping[str, Callable[[], Cost]], rounds: int
) -> dict[str, list[Cost]]:
    """Run every variant once a round, each round in another order; a first round warms up.

    Returns what each call returned, by variant and round.
    """
    names = list(variants)
    costs: dict[str, list[Cost]] = {name: [] for name in names}
    for number in range(rounds + 1):
        shift = number % len(names)
        for name in names[shift:] + names[:shift]:
            cost = variants[name]()
            if number:
                costs[name].append(cost)
    return costs


def median_ratio(runs: Sequence[float], base: Sequence[float]) -> float:
    """Median over the rounds of each run divided by the same round's ``base``."""
    return statistics.median(run / one for run, one in zip(runs, base, strict=True))


def print_costs(costs: Mapping[str, Sequence[Any]], titles: Mapping[str, str]) -> None:
    """Print each variant's median costs, and the median ratios to those of the first variant.

    Args:
        costs: from :func:`measure_rounds`: objects with bytes as ``memory``, all else in seconds.
        titles: the attributes to print, each with the title of its column.
    """
    width = max(map(len, costs)) + 3
    print(" " * width + "".join(f"{title:>20}" for title in titles.values()))
    first = next(iter(costs.values()))
    for name, runs in costs.items():
        line = f"{name:{width}}"
        for field in titles:
            own, base = ([getattr(cost, field) for cost in each] for each in (runs, first))
            scale, unit = (2**-20, "MiB") if field == "memory" else (1e3, "ms")
            value = statistics.median(own) * scale
            line += f"{value:>9.1f} {unit:<3} {median_ratio(own, base):>5.3f}x"
        print(line)


def now() -> float:
    """Seconds, once the device has finished its work."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return time.perf_counter()


def seconds(run: Callable[[], object]) -> float:
    """Seconds that one call takes."""
    start = now()
    run()
    return now() - start


def reset_peak() -> None:
    """Start a new memory peak: the device's, or the process's if there is no device."""
    if torch.cuda.is_available():
        torch.cuda.reset_peak_memory_stats()
    else:
        Path("/proc/self/clear_refs").write_text("5")


def peak() -> int:
    """Peak memory in bytes since :func:`reset_peak`."""
    if torch.cuda.is_available():
        return torch.cuda.max_memory_allocated()
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) * 1024 for line in lines if line.startswith("VmHWM"))
