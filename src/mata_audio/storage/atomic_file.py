"""Writing a file whole or not at all."""

from __future__ import annotations

import errno
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from mata_audio.errors import WriteError

_TEMPORARY = re.compile(r"\.(?P<name>.+)\.(?P<process>\d+)\.tmp")

_ADVICE = {
    errno.ENOSPC: "free space on its disk, then give the same command again",
    errno.EDQUOT: "free space in your quota, then give the same command again",
    errno.EFBIG: "allow larger files (ulimit -f), then give the same command again",
    errno.EROFS: "its disk is read-only: give a path on another one",
    errno.EACCES: "allow writing in its folder, or give another path",
    errno.EPERM: "allow writing in its folder, or give another path",
}


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write ``content`` to a file next to ``path``, flush it to disk and move it into place.

    Text is written as UTF-8, with the system's line ends. Half a surrogate pair, as of a file name
    that is not UTF-8, is written as its escape, which is what JSON needs. What a killed process
    left when it wrote the same file is removed.

    Raises:
        WriteError: it cannot be written; a file that was there is unchanged.
    """
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with writing(path):
        remove_leftovers(path.parent, path.name)
        try:
            text = isinstance(content, str)
            encoding, errors = ("utf-8", "backslashreplace") if text else (None, None)
            with temporary.open("w" if text else "wb", encoding=encoding, errors=errors) as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(path)
        finally:
            temporary.unlink(missing_ok=True)


@contextmanager
def writing(path: Path) -> Iterator[None]:
    """Turn an OSError inside a ``with`` block into a WriteError that names ``path``."""
    try:
        yield
    except OSError as error:
        advice = _ADVICE.get(error.errno or 0, "check its disk and its folder")
        reason = error.strerror or str(error)
        raise WriteError(f"{path} cannot be written ({reason}): {advice}") from error


def leftover_of(path: Path) -> str | None:
    """Return for which file name :func:`write_atomically` makes such a temporary file, if it does.

    None too if the process that made it still runs.
    """
    found = _TEMPORARY.fullmatch(path.name)
    return None if found is None or _is_running(int(found["process"])) else found["name"]


def remove_leftovers(folder: Path, name: str | None = None) -> None:
    """Remove the temporary files of killed processes, of all files or of the one called ``name``.

    A file that cannot be removed stays until the next writing.
    """
    if not folder.is_dir():
        return
    for path in folder.iterdir():
        own = leftover_of(path)
        if own is not None and name in (None, own):
            with suppress(OSError):
                path.unlink()


def _is_running(process: int) -> bool:
    """Whether another process with this number runs. Windows itself protects files in use."""
    if process == os.getpid() or os.name != "posix":
        return False
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except (PermissionError, OverflowError):
        return True
    return True
