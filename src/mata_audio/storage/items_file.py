"""The finished items of a run, one JSON line each, on disk before the next batch starts."""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.storage.atomic_file import write_atomically, writing

Line = Mapping[str, Any]

_PART, _CHECKSUM = "part", "sha256"
_WRITTEN = re.compile(rb'(.*), "sha256": "([0-9a-f]{64})"\}', re.DOTALL)


class ItemStore:
    """An append-only file of JSON lines, each with an ``id``.

    The last line of an id counts. Lines that are appended together are one batch, of which all
    count or none: a process that is killed while it writes, or a full disk, leaves a part of the
    last batch, which is ignored, and removed before the next one is written.

    Each line ends with ``part``, its number in its batch and the batch's size, and ``sha256``, the
    digest of the line without that field. So lines that were edited, or removed from a batch, are
    noticed.

    Args:
        path: the file; created when the first line is written.

    Raises:
        RunError: a line is damaged or was edited, or lines are missing.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, Line] = {}
        self.written = 0
        """Lines in the file, those of one id counted separately."""
        self._complete = 0  # bytes, up to the end of the last whole batch
        content = path.read_bytes() if path.exists() else b""
        batch: list[Line] = []
        end = 0
        for number, line in enumerate(content.split(b"\n")[:-1], start=1):
            entry = _read(line, f"line {number} of {path}")
            part, size = entry.pop(_PART)
            end += len(line) + 1
            batch.append(entry)
            if part != len(batch):
                raise RunError(
                    f"lines are missing before line {number} of {path} (item {entry['id']!r}): "
                    "restore the file, or start a new run"
                )
            if part == size:
                self._keep(batch, end)
                batch = []

    @property
    def lines(self) -> Mapping[str, Line]:
        """The latest line of each id."""
        return self._lines

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines as one batch, and return once they are on disk.

        Raises:
            WriteError: they cannot be written; the next try replaces what was.
        """
        new = list(lines)
        data = b"".join(_written(line, part, len(new)) for part, line in enumerate(new, start=1))
        created = not self._path.exists()
        with writing(self._path):
            with self._path.open("r+b" if not created else "w+b") as stream:
                stream.truncate(self._complete)
                stream.seek(self._complete)
                stream.write(data)
                stream.flush()
                os.fsync(stream.fileno())
            if created:
                _sync_folder(self._path.parent)
        self._keep(new, self._complete + len(data))

    def put_in_order(self, start: int, places: Mapping[str, int]) -> None:
        """Put the batches after the first lines into another order, all of them or none.

        Args:
            start: number of lines that stay where they are.
            places: the place of each batch, by the id of its first item.

        Raises:
            WriteError: the file cannot be written; it is unchanged.
        """
        if not self._path.exists():
            return
        lines = self._path.read_bytes()[: self._complete].split(b"\n")[:-1]
        batches: list[list[bytes]] = []
        keys: list[int] = []
        for line in lines[start:]:
            entry = json.loads(line)
            if entry[_PART][0] == 1:
                batches.append([])
                keys.append(places[entry["id"]])
            batches[-1].append(line)
        order = sorted(range(len(batches)), key=keys.__getitem__)
        if order == list(range(len(batches))):
            return
        moved = [*lines[:start], *(line for number in order for line in batches[number])]
        write_atomically(self._path, b"".join(line + b"\n" for line in moved))
        self._lines = ItemStore(self._path)._lines

    def _keep(self, batch: Iterable[Line], end: int) -> None:
        for line in batch:
            self._lines[line["id"]] = line
            self.written += 1
        self._complete = end


def _written(line: Line, part: int, size: int) -> bytes:
    text = json.dumps({**line, _PART: [part, size]}).encode("ascii")
    digest = hashlib.sha256(text).hexdigest()
    return text[:-1] + f', "{_CHECKSUM}": "{digest}"}}\n'.encode("ascii")


def _read(line: bytes, where: str) -> dict[str, Any]:
    """Return the content of a line, with its part, after checking it."""
    try:
        entry: dict[str, Any] = json.loads(line)
        id = entry["id"]
    except (ValueError, TypeError, KeyError) as error:
        raise RunError(
            f"{where} is damaged ({error}), and a crash can damage only the last line: restore "
            "the file, or start a new run"
        ) from error
    found = _WRITTEN.fullmatch(line)
    if found is None or hashlib.sha256(found[1] + b"}").hexdigest() != found[2].decode():
        raise RunError(
            f"{where} (item {id!r}) was changed after it was written, as its checksum (sha256) "
            "does not fit: restore the file, or start a new run"
        )
    del entry[_CHECKSUM]
    return entry


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file durable, not only its content."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
