"""SHA-256 digests of whole files; of large ones, remembered between runs.

The memory is ``file_digests.json`` in the user's cache. A digest counts only while the file's size,
its inode and both its times are as they were: programs can set the time of the last change of the
content (mtime) back, but not that of the last change of anything (ctime). Clocks tick coarsely, so
a file that changed within the last seconds is not remembered.
"""

from __future__ import annotations

import hashlib
import json
import os
import time
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from typing import Any

from mata_audio.storage.atomic_file import write_atomically
from mata_audio.storage.cache_folder import cache_folder

LEAST_REMEMBERED = 64 * 2**20
"""Bytes of a file from which its digest is remembered; smaller ones take a tenth of a second."""

_SETTLED_SECONDS = 5.0


def file_digests(paths: Iterable[Path]) -> dict[Path, str]:
    """Return the SHA-256 digest of each file's content, as hexadecimal text.

    Raises:
        OSError: a file cannot be read.
    """
    states = {path: _state(path) for path in paths}
    known = _remembered() if any(_is_large(state) for state in states.values()) else {}
    found: dict[Path, str] = {}
    unknown = []
    for path, state in states.items():
        entry = known.get(_key(path))
        if _is_large(state) and isinstance(entry, dict) and entry.get("state") == state:
            found[path] = entry["sha256"]
        else:
            unknown.append(path)
    with ThreadPoolExecutor(max_workers=os.cpu_count()) as pool:
        found |= zip(unknown, pool.map(_digest, unknown), strict=True)
    new = {
        _key(path): {"state": states[path], "sha256": found[path]}
        for path in unknown
        if _is_large(states[path]) and _is_settled(path, states[path])
    }
    if new:
        _remember({**_remembered(), **new})
    return {path: found[path] for path in states}


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _key(path: Path) -> str:
    return str(path.resolve())


def _state(path: Path) -> list[int]:
    state = path.stat()
    return [state.st_size, state.st_ino, state.st_mtime_ns, state.st_ctime_ns]


def _is_large(state: list[int]) -> bool:
    return state[0] >= LEAST_REMEMBERED


def _is_settled(path: Path, before: list[int]) -> bool:
    """Whether the file did not change while it was read, nor shortly before."""
    return before == _state(path) and time.time() - max(before[2:]) / 1e9 > _SETTLED_SECONDS


def _memory() -> Path:
    return cache_folder() / "file_digests.json"


def _remembered() -> dict[str, Any]:
    with suppress(OSError, ValueError):
        known = json.loads(_memory().read_text(encoding="utf-8"))
        if isinstance(known, dict):
            return known
    return {}


def _remember(known: Mapping[str, Any]) -> None:
    """Write the memory; without it, for want of space or permission, files are read again."""
    with suppress(OSError):
        _memory().parent.mkdir(parents=True, exist_ok=True)
        write_atomically(_memory(), json.dumps(known, indent=1) + "\n")
