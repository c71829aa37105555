"""A run on a cluster whose driver dies at a write: ``FOLDER ADDRESS WHERE NUMBER QUESTIONS MODEL``.

It dies the NUMBERth time that a moment is described by a text that holds WHERE; 0 for never.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import torch
from killing import KILLED, Dying

from mata_audio.evaluation.cluster.ray_executor import RayExecutor
from mata_audio.evaluation.running.evaluate import evaluate


class DyingAt(Dying):
    """Ends this process at the moments that a text describes."""

    def __init__(self, folder: Path, where: str, number: int) -> None:
        self._where, self._number = where, number
        super().__init__(folder, 0)

    def _moment(self, what: str) -> None:
        if self._where in what:
            self._number -= 1
            if self._number == 0:
                print(what, flush=True)
                os._exit(KILLED)


def main() -> None:
    """Run or resume."""
    out, address, where, number, questions, model = sys.argv[1:]
    torch.set_num_threads(1)
    DyingAt(Path(out), where, int(number))
    executor = RayExecutor(2, address=address)
    options = {"batch_size": 4, "batching": "padded", "max_new_tokens": 4, "workers": 2}
    evaluate(model, "jsonl", out, data=questions, executor=executor, device="cpu", **options)


if __name__ == "__main__":
    main()
