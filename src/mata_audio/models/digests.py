"""Digests of all that a model is made of, by which a run notices that it is no longer the same."""

from __future__ import annotations

import hashlib
import json
import os
import tempfile
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from transformers.utils import cached_file

from mata_audio.errors import ModelLoadError
from mata_audio.models.finding import Found
from mata_audio.models.hub import cache_only
from mata_audio.models.load_errors import explained
from mata_audio.storage.file_digests import file_digests

_WEIGHTS = ("*.safetensors", "*.safetensors.index.json", "adapter_config.json")
_CODE = "*.py"

_NO_CONTENT = {
    "tokenizer.json": ("padding", "truncation"),  # as they were in the last call
    "tokenizer_config.json": ("name_or_path", "is_local", "local_files_only"),
}
"""Keys of a processor's files that say how it was used, or where it came from."""

TENSORS = "tensors in memory"
"""Key of the digest of a model that was given loaded."""


def weights_digests(found: Found) -> dict[str, str]:
    """Return the SHA-256 digest of each file of a model's weights, and of its own code, by name.

    Files that came from the hub are treated as any others. The hub's cache names most of them by
    their digest, but that is what was to be downloaded, not what is on the disk.

    Raises:
        ModelLoadError: a file cannot be read.
    """
    with explained(f"cannot read the weights of {found.name}"):
        folder = found.folder or _snapshot(found)
        parts = [folder]
        if found.family.adapter is not None:
            parts.append(folder / found.family.adapter[1])
        patterns = [*_WEIGHTS, *([_CODE] if found.options.get("trust_remote_code") else [])]
        files = sorted(
            path for part in parts for pattern in patterns for path in part.glob(pattern)
        )
        digests = file_digests(files)
    return {path.relative_to(folder).as_posix(): digests[path] for path in files}


def _snapshot(found: Found) -> Path:
    """Return the folder in the hub's cache from which the model was loaded."""
    revision = getattr(found.config, "_commit_hash", None)
    with cache_only():
        config = cached_file(found.source, "config.json", revision=revision)
    return Path(config).parent


def tensors_digest(model: nn.Module) -> dict[str, str]:
    """Return one SHA-256 digest of all tensors of a model in memory: names, shapes, dtypes, values.

    Raises:
        ModelLoadError: a tensor is not in memory.
    """
    parts = [
        part for name, value in sorted(model.state_dict().items()) for part in _flat(name, value)
    ]
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        lines = pool.map(_tensor_line, *zip(*parts, strict=True)) if parts else ()
        return {TENSORS: hashlib.sha256("".join(lines).encode()).hexdigest()}


def _flat(name: str, value: Any) -> Iterator[tuple[str, Tensor]]:
    """Yield the plain tensors that a tensor consists of; quantised ones have several."""
    if not isinstance(value, Tensor):
        return
    if hasattr(value, "__tensor_flatten__"):
        inner, _ = value.__tensor_flatten__()
        for part in inner:
            yield from _flat(f"{name}.{part}", getattr(value, part))
    else:
        yield name, value.detach()


def _tensor_line(name: str, tensor: Tensor) -> str:
    if tensor.device.type == "meta":
        raise ModelLoadError(
            f"the weights {name} are not in memory, so they cannot be told from others: give the "
            "model's folder or hub id instead of the loaded model, or load it without offloading"
        )
    content = tensor.cpu().contiguous().reshape(-1).view(torch.uint8).numpy()
    digest = hashlib.sha256(content.data).hexdigest()
    return f"{name} {tuple(tensor.shape)} {tensor.dtype} {digest}\n"


def processor_digests(processor: Any) -> dict[str, str]:
    """Return the SHA-256 digest of each file that a processor and its tokenizer are saved as.

    So what is compared is what is used, wherever it was loaded from.

    Raises:
        ModelLoadError: the processor cannot be saved.
    """
    place = tempfile.gettempdir()
    with (
        explained(f"the processor cannot be saved to {place} to tell it from others (see TMPDIR)"),
        tempfile.TemporaryDirectory(prefix="mata-processor-") as folder,
    ):
        processor.save_pretrained(folder)
        paths = sorted(path for path in Path(folder).rglob("*") if path.is_file())
        return {
            path.relative_to(folder).as_posix(): hashlib.sha256(_content(path)).hexdigest()
            for path in paths
        }


def _content(path: Path) -> bytes:
    """Return a saved file's content without what changes no prompt."""
    left_out = _NO_CONTENT.get(path.name)
    content = path.read_bytes()
    if left_out is None:
        return content
    data = json.loads(content)
    return json.dumps({key: value for key, value in data.items() if key not in left_out}).encode()


def config_digest(config: Any) -> str:
    """Return the SHA-256 digest of a model's configuration, without its origin and dtype."""
    data = config.to_dict()
    for name in ("_name_or_path", "transformers_version", "dtype", "torch_dtype"):
        data.pop(name, None)
    return hashlib.sha256(json.dumps(data, sort_keys=True, default=str).encode()).hexdigest()
