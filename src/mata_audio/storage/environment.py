"""What a run ran on: the machine, the versions and the commit, for ``run.json``."""

from __future__ import annotations

import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import tokenizers
import torch
import transformers


def versions() -> dict[str, str]:
    """Return the versions of the packages that compute, and of Python."""
    return {
        "mata-audio": version("mata-audio"),
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "tokenizers": tokenizers.__version__,
        "numpy": numpy.__version__,
        "soundfile": version("soundfile"),
        "soxr": version("soxr"),
        "python": platform.python_version(),
    }


def device_name(device: torch.device) -> str:
    """Return the name of a device, such as ``NVIDIA H100`` or the processor's architecture."""
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    return platform.processor() or platform.machine()


def git_state() -> dict[str, Any] | None:
    """Return the commit of the checkout that this package runs from; None if it is not one."""
    folder = Path(__file__).parent.parent
    try:
        commit = _git(folder, "rev-parse", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no", ".")
    except (OSError, subprocess.CalledProcessError):
        return None
    return {"commit": commit, "modified": bool(changed)}


def _git(folder: Path, *arguments: str) -> str:
    # Without the option, "git status" writes the index, and locks out whoever works there.
    done = subprocess.run(
        ["git", "--no-optional-locks", "-C", str(folder), *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()
