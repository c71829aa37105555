"""What every worker process of a cluster must know, and what it says if it cannot work."""

from __future__ import annotations

import os
import platform
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from mata_audio.errors import MataError, RunError, one_line
from mata_audio.evaluation.running.plan import Plan


@dataclass(frozen=True)
class Job:
    """A run, as it is sent to the workers.

    Args:
        plan: what to run.
        folder: where the command was given; relative paths are read from there.
        threads: PyTorch's threads, since sums of real numbers depend on them.
        gpu_share: GPUs, or share of one, that each actor has; 0 for the CPU.
        identity: what must be the same of every actor's model and machine; None before it is known.
    """

    plan: Plan
    folder: str
    threads: int
    gpu_share: float
    identity: Mapping[str, Any] | None = field(default=None)

    def enter(self) -> None:
        """Prepare this process."""
        import torch
        from transformers.utils import logging

        with suppress(OSError):  # without the folder, absolute paths still work
            os.chdir(self.folder)
        os.environ["TOKENIZERS_PARALLELISM"] = "false"  # as processes that prepare clips have it
        logging.set_verbosity_error()
        logging.disable_progress_bar()
        torch.set_num_threads(self.threads)
        torch.manual_seed(self.plan.options.seed)


@dataclass(frozen=True)
class Refusal:
    """Why a worker cannot work.

    Args:
        error: the error, of our own kind.
        host: the worker's machine.
    """

    error: MataError
    host: str

    @classmethod
    def of(cls, error: Exception) -> Refusal:
        """Return the refusal of this machine."""
        own = error if isinstance(error, MataError) else RunError(one_line(error))
        return cls(own, platform.node())

    def raised(self) -> MataError:
        """Return the error with the machine's name."""
        return type(self.error)(f"{self.error} (on {self.host}, a machine of the cluster)")
