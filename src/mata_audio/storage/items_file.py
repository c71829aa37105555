"""The finished items of a run, one JSON line each, on disk before the next batch starts."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError

Line = Mapping[str, Any]


class ItemStore:
    """An append-only file of JSON lines, each with an ``id``.

    The last line of an id counts. A process that is killed while it writes leaves a last line
    without its end; such a line is ignored, and removed before the next line is written.

    Args:
        path: the file; created when the first line is written.

    Raises:
        RunError: a line other than the last is damaged.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lines: dict[str, Line] = {}
        content = path.read_bytes() if path.exists() else b""
        self._complete = content.rfind(b"\n") + 1  # bytes, up to the end of the last whole line
        for number, line in enumerate(content[: self._complete].splitlines(), start=1):
            try:
                entry = json.loads(line)
                self._lines[entry["id"]] = entry
            except (ValueError, TypeError, KeyError) as error:
                raise RunError(
                    f"line {number} of {path} is damaged ({error}), and a crash can damage only "
                    "the last line: restore the file, or start a new run"
                ) from error

    @property
    def lines(self) -> Mapping[str, Line]:
        """The latest line of each id."""
        return self._lines

    def append(self, lines: Iterable[Line]) -> None:
        """Write lines, and return once they are on disk."""
        new = list(lines)
        data = "".join(json.dumps(line) + "\n" for line in new).encode("ascii")
        created = not self._path.exists()
        with self._path.open("r+b" if not created else "w+b") as stream:
            stream.truncate(self._complete)
            stream.seek(self._complete)
            stream.write(data)
            stream.flush()
            os.fsync(stream.fileno())
        if created:
            _sync_folder(self._path.parent)
        self._complete += len(data)
        for line in new:
            self._lines[line["id"]] = line


def _sync_folder(folder: Path) -> None:
    """Make the name of a new file durable, not only its content."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
