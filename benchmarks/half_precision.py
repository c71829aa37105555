"""How many answers another batch changes, in half precision, with and without MATA.

Run with ``make bench-throughput``. The embedded model answers each item by itself, in exact and in
padded batches; kernels round differently, and where two tokens are nearly tied the answer changes.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

from mata_audio import MATA
from mata_audio.evaluation import evaluate
from mata_audio.evaluation.results.results import Results

WAYS = {"one by one": ("exact", 1), "exact, 16": ("exact", 16), "padded, 16": ("padded", 16)}


def main() -> None:
    """Print a line for each number format and way, with the shares that differ from one by one."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=2_412)
    args = parser.parse_args()
    print(f"{args.items} items of the embedded benchmark")
    print(f"{'':24}{'baseline':>16}{'MATA alpha 2':>16}")
    for dtype in ("float32", "bfloat16", "float16"):
        alone: Results | None = None
        for way, (batching, size) in WAYS.items():
            found = run(dtype, batching, size, args.items)
            alone = alone or found
            cells = "".join(f"{changed(alone, found, name):>16.2%}" for name in names(found))
            print(f"{dtype:10}{way:14}{cells}", flush=True)


def run(dtype: str, batching: str, size: int, items: int) -> Results:
    """Evaluate the embedded model at its own best setting."""
    with tempfile.TemporaryDirectory() as folder:
        return evaluate(
            "tiny",
            "tiny",
            Path(folder) / "run",
            settings=[MATA(alpha=2, layers="3-7")],
            limit=items,
            dtype=dtype,
            batching=batching,
            batch_size=size,
        )


def names(results: Results) -> list[str]:
    """Return the settings' names."""
    return list(results.items[0].answers)


def changed(before: Results, after: Results, name: str) -> float:
    """Return the share of items whose answer's text differs."""
    pairs = zip(before.items, after.items, strict=True)
    differ = sum(one.answers[name].raw != other.answers[name].raw for one, other in pairs)
    return differ / len(before.items)


if __name__ == "__main__":
    main()
