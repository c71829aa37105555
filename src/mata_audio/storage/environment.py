"""What a run ran on: the model's weights, the machine and the versions, for ``run.json``."""

from __future__ import annotations

import hashlib
import json
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy
import tokenizers
import torch
import transformers
from torch import nn

SAMPLES = 64
"""Values of each tensor that go into the digest of the weights."""


def weights_sha256(model: nn.Module) -> str:
    """Return a digest of each tensor's name, shape and dtype and of 64 values spread over it.

    Two checkpoints of one architecture differ in nearly every value of every tensor, so this tells
    them apart without reading gigabytes.
    """
    digest = hashlib.sha256()
    for name, tensor in sorted(model.state_dict().items()):
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
        values = tensor.detach().flatten()
        if values.device.type == "meta" or not values.numel():
            continue
        chosen = values[:: max(1, values.numel() // SAMPLES)][:SAMPLES]
        digest.update(chosen.double().cpu().numpy().tobytes())
    return digest.hexdigest()


def config_sha256(config: Any) -> str:
    """Return a digest of a model's configuration, without its origin and dtype."""
    data = config.to_dict()
    for name in ("_name_or_path", "transformers_version", "dtype", "torch_dtype"):
        data.pop(name, None)
    return text_sha256(json.dumps(data, sort_keys=True, default=str))


def text_sha256(text: str) -> str:
    """Return the SHA-256 digest of a text's UTF-8 bytes."""
    return hashlib.sha256(text.encode()).hexdigest()


def versions() -> dict[str, str]:
    """Return the versions of the packages that compute, and of Python."""
    return {
        "mata-audio": version("mata-audio"),
        "transformers": transformers.__version__,
        "torch": torch.__version__,
        "tokenizers": tokenizers.__version__,
        "numpy": numpy.__version__,
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
    done = subprocess.run(
        ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()
