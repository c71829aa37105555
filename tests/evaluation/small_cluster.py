"""A small Ray cluster on this machine, questions with uneven clips, and files to compare."""

from __future__ import annotations

import json
import os
import re
import signal
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

RATE = 16_000
_GIT = re.compile(rb'"git": (null|\{[^}]*\})')
LEAST_STORE = 80 * 2**20
"""Ray takes no smaller object store."""


@contextmanager
def cluster() -> Iterator[str]:
    """Run a cluster with the smallest object store, and yield its address."""
    import ray

    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    started = ray.init(
        address="local",
        num_cpus=8,
        include_dashboard=False,
        object_store_memory=LEAST_STORE,
        log_to_driver=False,
        logging_level="ERROR",
    )
    try:
        yield started.address_info["gcs_address"]
    finally:
        ray.shutdown()


def workers(title: str) -> list[int]:
    """Return the processes of this cluster whose title begins so."""
    import ray

    node: Any = ray._private.worker._global_node
    raylet = node.all_processes["raylet"][0].process.pid
    return [own for own in _children(raylet) if _title(own).startswith(f"ray::{title}")]


def kill(process: int) -> None:
    """Kill a process as a machine without memory would."""
    os.kill(process, signal.SIGKILL)


def _children(parent: int) -> Iterator[int]:
    for entry in Path("/proc").iterdir():
        if entry.name.isdecimal():
            try:
                status = (entry / "stat").read_text()
            except OSError:
                continue
            if int(status.rpartition(")")[2].split()[1]) == parent:
                yield int(entry.name)


def _title(process: int) -> str:
    try:
        return Path(f"/proc/{process}/cmdline").read_bytes().decode(errors="replace")
    except OSError:
        return ""


def write_questions(folder: Path, count: int, broken: Sequence[int] = ()) -> Path:
    """Write a question file for clips of 0.3 to 3 seconds, of which some are damaged."""
    folder.mkdir()
    draw = np.random.default_rng(0)
    records = []
    for number in range(count):
        seconds = float(np.clip(draw.gamma(2.5, 0.4), 0.3, 3))
        name = f"clip-{number}.wav"
        sound = 0.1 * draw.standard_normal(round(seconds * RATE))
        soundfile.write(folder / name, sound, RATE, subtype="PCM_16")
        if number in broken:
            (folder / name).write_bytes(b"not a sound")
        words = " ".join(["which"] + ["word"] * int(draw.integers(1, 6)))
        choices = ["rain", "a dog", "speech"]
        record = {"id": f"q{number}", "audio": name, "question": f"{words} sound is this?"}
        records.append({**record, "choices": choices, "answer": choices[number % 3]})
    file = folder / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, records)) + "\n", encoding="utf-8")
    return file


def files(folder: Path) -> dict[str, bytes]:
    """Return the content of a run's files, of run.json without the sittings.

    The commit, which may change while this runs, is left out.
    """
    found = {
        path.relative_to(folder).as_posix(): _GIT.sub(b"", path.read_bytes())
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name not in ("run.json", ".lock")
    }
    manifest: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    del manifest["sittings"]
    found["run.json but for the sittings"] = json.dumps(manifest).encode()
    return found


def assert_same(found: Path, whole: Path) -> None:
    """All files of two runs are the same, byte for byte."""
    one, other = files(found), files(whole)
    assert sorted(one) == sorted(other)
    assert [name for name in one if one[name] != other[name]] == []


def answered(folder: Path) -> list[str]:
    """Return the ids that are stored so far."""
    from mata_audio.storage.items_file import ItemStore

    return [*ItemStore(folder / "items.jsonl").lines]
