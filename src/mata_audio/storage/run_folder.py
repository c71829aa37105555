"""The folder of a run: what was run (``run.json``), its items, and a lock for one writer."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.storage.atomic_file import leftover_of, remove_leftovers, write_atomically, writing
from mata_audio.storage.items_file import ItemStore
from mata_audio.storage.manifest import check_fields

MANIFEST = "run.json"
ITEMS = "items.jsonl"
FORMAT = 2

BATCHES = "batches.json"
"""The batches of a run that is answered out of order; gone when all are."""

EVIDENCE = "evidence.json"
"""What ``mata choose`` measures before it runs a setting."""

BEFORE_THE_RUN = (".lock", EVIDENCE, MANIFEST)
"""What a run's folder may hold before ``run.json``, also as what a killed process left of it."""


class RunFolder:
    """Where a run keeps everything.

    ``run.json`` holds ``identity`` (everything that could change an answer), ``facts`` (what else
    is worth knowing) and ``sittings`` (each time that the run was started or resumed: when, on
    which device, with which versions and commit, and how many items it answered).

    Args:
        path: the folder; created when something is first written.
    """

    def __init__(self, path: str | Path) -> None:
        self.path = Path(path)

    @property
    def manifest_path(self) -> Path:
        """``run.json``."""
        return self.path / MANIFEST

    @property
    def store(self) -> ItemStore:
        """The finished items, read again on each access."""
        return ItemStore(self.path / ITEMS)

    def manifest(self) -> dict[str, Any]:
        """Read ``run.json``.

        Raises:
            RunError: there is none, it is not the ``run.json`` of a run of this version, or a field
                is missing or of another kind.
        """
        try:
            data: Any = json.loads(self.manifest_path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            raise RunError(
                f"{self.path} holds no run, as it has no run.json: give the folder of a run"
            ) from None
        except (OSError, ValueError) as error:
            raise RunError(
                f"{self.manifest_path} cannot be read ({error}): give the folder of a run"
            ) from error
        if not isinstance(data, dict) or data.get("format") != FORMAT:
            raise RunError(
                f"{self.manifest_path} is not in this version's format ({FORMAT}): read it with "
                "the version that wrote it, or start a new run"
            )
        check_fields(data, self.manifest_path)
        return data

    def write_manifest(self, manifest: Mapping[str, Any]) -> None:
        """Replace ``run.json``, whole or not at all."""
        text = json.dumps({"format": FORMAT, **manifest}, indent=1, ensure_ascii=False)
        write_atomically(self.manifest_path, text + "\n")

    def check_identity(self, identity: Mapping[str, Any]) -> bool:
        """Whether the folder holds the run with this identity; False if it is new or empty.

        Raises:
            RunError: it holds another run, and the message says what differs; or something else.
        """
        self.check_ours()
        if not self.manifest_path.exists():
            return False
        there = self.manifest()["identity"]
        changed = differences(there, json.loads(json.dumps(identity)))
        if changed:
            raise RunError(
                f"{self.path} holds another run: {'; '.join(changed)}. "
                "Its answers cannot be mixed with new ones: give another folder for --out, or the "
                "options of that run"
            )
        return True

    def check_ours(self) -> None:
        """Refuse a folder that holds something else.

        Raises:
            RunError: it does.
        """
        if self.manifest_path.exists():
            return
        if self.path.is_file() or (self.path.is_dir() and _foreign(self.path)):
            raise RunError(f"{self.path} is neither a run nor empty: give a new folder")

    @contextmanager
    def locked(self) -> Iterator[None]:
        """Keep other processes from writing this run; released however this process ends.

        Files that killed processes left unfinished are removed.

        Raises:
            RunError: another process is writing it.
            WriteError: the folder cannot be written.
        """
        with writing(self.path):
            self.path.mkdir(parents=True, exist_ok=True)
            lock = (self.path / ".lock").open("w")
        with lock as stream:
            if os.name == "posix":
                import fcntl

                try:
                    fcntl.flock(stream, fcntl.LOCK_EX | fcntl.LOCK_NB)
                except BlockingIOError:
                    raise RunError(
                        f"another process is writing {self.path}: wait for it, or give another "
                        "folder"
                    ) from None
            for folder in (self.path, self.path / "predictions"):
                remove_leftovers(folder)
            yield


def _foreign(folder: Path) -> bool:
    return any(
        (leftover_of(entry) or entry.name) not in BEFORE_THE_RUN for entry in folder.iterdir()
    )


def differences(before: Any, after: Any, path: Sequence[str] = ()) -> list[str]:
    """Return how two JSON values differ, in words: ``prompt.name was "a", is now "b"``."""
    if isinstance(before, dict) and isinstance(after, dict):
        return [
            line
            for key in [*before, *(key for key in after if key not in before)]
            for line in differences(before.get(key), after.get(key), (*path, key))
        ]
    if before == after:
        return []
    return [f"{'.'.join(path)} was {_short(before)}, is now {_short(after)}"]


def _short(value: Any) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 120 else f"{text[:117]}..."
