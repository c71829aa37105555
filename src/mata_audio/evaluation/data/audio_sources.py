"""Where a clip's bytes come from: a file, a zip or tar archive, or a parquet row."""

from __future__ import annotations

import gzip
import hashlib
import lzma
import shutil
import tarfile
import tempfile
import threading
import zipfile
import zlib
from collections import OrderedDict
from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache
from importlib import import_module
from pathlib import Path, PurePosixPath
from typing import Any

from mata_audio.errors import AudioError, DataError
from mata_audio.storage.cache_folder import cache_folder

_AUDIO = (".wav", ".flac", ".mp3", ".ogg", ".opus", ".m4a", ".aac", ".aif", ".aiff")
_KEPT_ROWS = 32
"""Rows that a parquet reader keeps, so that workers may read slightly out of order."""


@dataclass(frozen=True)
class FileAudio:
    """A file on disk; ``name`` and ``place`` default to the file's name."""

    path: Path
    name: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.path.name)
        object.__setattr__(self, "place", self.place or self.path.name)

    def read(self) -> bytes:
        """Return the file's content.

        Raises:
            AudioError: it is missing or cannot be read.
        """
        try:
            return self.path.read_bytes()
        except FileNotFoundError as error:
            raise AudioError(
                f"no such audio file: {self.path}; copy the benchmark's audio there"
            ) from error
        except OSError as error:
            raise AudioError(f"{self.path} cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class MissingAudio:
    """A clip that was not found; ``reason`` says why, and what to do."""

    name: str
    reason: str
    place: str = ""

    def read(self) -> bytes:
        """Refuse to read it.

        Raises:
            AudioError: always, with the reason.
        """
        raise AudioError(self.reason)


@dataclass(frozen=True)
class _ArchiveAudio:
    archive: Path
    member: str
    name: str = ""
    place: str = ""

    def __post_init__(self) -> None:
        object.__setattr__(self, "name", self.name or self.member)
        object.__setattr__(self, "place", self.place or f"{self.archive.name}:{self.member}")

    def _missing(self) -> AudioError:
        return AudioError(f"{self.archive} has no member {self.member}; download it again")


class ZipAudio(_ArchiveAudio):
    """A member of a zip archive."""

    def read(self) -> bytes:
        """Return the member's content.

        Raises:
            AudioError: the archive or the member is missing or damaged.
        """
        try:
            with zipfile.ZipFile(self.archive) as archive:
                return archive.read(self.member)
        except KeyError as error:
            raise self._missing() from error
        except (OSError, zipfile.BadZipFile, RuntimeError, NotImplementedError) as error:
            raise AudioError(
                f"{self.member} cannot be read from {self.archive} ({error}); download it again"
            ) from error


class TarAudio(_ArchiveAudio):
    """A member of a tar archive; compressed archives are unpacked once, into the user's cache."""

    def read(self) -> bytes:
        """Return the member's content.

        Raises:
            AudioError: the archive or the member is missing or damaged, or the cache is full.
        """
        place = tar_members(self.archive).get(self.member)
        if place is None:
            raise self._missing()
        file, offset, size = place
        try:
            with file.open("rb") as stream:
                stream.seek(offset)
                return stream.read(size)
        except OSError as error:
            raise AudioError(f"{file} cannot be read: {error.strerror}") from error


@dataclass(frozen=True)
class ParquetAudio:
    """A clip in a row of a parquet file: a binary column, or a struct with ``bytes``.

    Args:
        file: the parquet file.
        row_group: number of the row group in the file.
        row: number of the row in the row group.
        column: the column's name.
        name: the clip's name in the record.
    """

    file: Path
    row_group: int
    row: int
    column: str
    name: str

    @property
    def place(self) -> str:
        """The file's name, row group and row, both from 0."""
        return f"{self.file.name}:{self.row_group}:{self.row}"

    def read(self) -> bytes:
        """Return the row's bytes.

        Raises:
            AudioError: the file is missing or damaged, or the row holds no bytes.
        """
        try:
            value = _column_reader(self.file, self.row_group, self.column).row(self.row)
        except (OSError, ValueError, StopIteration) as error:
            raise AudioError(
                f"audio of {self.name} cannot be read from {self.file} ({error}); "
                "download the file again"
            ) from error
        content = value.get("bytes") if isinstance(value, dict) else value
        if not content:
            raise AudioError(f"{self.file} holds no audio for {self.name}: column {self.column}")
        return bytes(content)


def archive_members(archive: Path) -> Iterator[tuple[str, ZipAudio | TarAudio]]:
    """List the files in an archive.

    Raises:
        DataError: it cannot be read.
    """
    try:
        if archive.suffix == ".zip":
            with zipfile.ZipFile(archive) as content:
                names = [each.filename for each in content.infolist() if not each.is_dir()]
            yield from ((name, ZipAudio(archive, name)) for name in names)
        else:
            yield from ((name, TarAudio(archive, name)) for name in tar_members(archive))
    except (OSError, zipfile.BadZipFile, AudioError) as error:
        raise DataError(f"archive {archive} cannot be used: {error}") from error


class _ColumnReader:
    """Reads one column of a row group in order, without ever holding all of its audio."""

    def __init__(self, file: Path, row_group: int, column: str) -> None:
        self._where = (file, row_group, column)
        self._lock = threading.Lock()
        self._restart()

    def _restart(self) -> None:
        self._rows = _rows(*self._where)
        self._next = 0
        self._kept: OrderedDict[int, Any] = OrderedDict()

    def row(self, wanted: int) -> Any:
        with self._lock:
            if wanted < self._next and wanted not in self._kept:
                self._restart()
            while self._next <= wanted:
                self._kept[self._next] = next(self._rows)
                self._next += 1
                if len(self._kept) > _KEPT_ROWS:
                    self._kept.popitem(last=False)
            return self._kept[wanted]


@lru_cache(maxsize=4)
def _column_reader(file: Path, row_group: int, column: str) -> _ColumnReader:
    return _ColumnReader(file, row_group, column)


def _rows(file: Path, row_group: int, column: str) -> Iterator[Any]:
    parquet_file = import_module("pyarrow.parquet").ParquetFile
    with parquet_file(file, pre_buffer=False, buffer_size=1 << 20) as parquet:
        for batch in parquet.iter_batches(1, row_groups=[row_group], columns=[column]):
            yield from batch.column(0).to_pylist()


def tar_members(archive: Path) -> dict[str, tuple[Path, int, int]]:
    """Return where to read each member of a tar archive: file, offset and size, by member name.

    Members of an uncompressed archive are read from it. A compressed one has no random access, so
    its audio files are unpacked below ``$XDG_CACHE_HOME/mata-audio`` (``~/.cache/mata-audio``).

    Raises:
        AudioError: the archive is missing, damaged or unsafe, or the cache cannot be written.
    """
    try:
        state = archive.stat()
        return _tar_members(archive.resolve(), state.st_mtime_ns, state.st_size)
    except (tarfile.TarError, EOFError, zlib.error, lzma.LZMAError, gzip.BadGzipFile) as error:
        raise AudioError(f"{archive} is damaged ({error}); download it again") from error
    except OSError as error:
        raise AudioError(
            f"{archive} cannot be read, or cannot be unpacked into {cache_folder()} ({error}); "
            "unpack it by hand next to the question file, or set XDG_CACHE_HOME to a folder with "
            "free space"
        ) from error


@lru_cache(maxsize=32)
def _tar_members(archive: Path, mtime: int, size: int) -> dict[str, tuple[Path, int, int]]:
    try:
        with tarfile.open(archive, "r:") as tar:
            return {m.name: (archive, m.offset_data, m.size) for m in tar if m.isreg()}
    except tarfile.ReadError:
        key = hashlib.sha256(f"{archive}\0{mtime}\0{size}".encode()).hexdigest()[:24]
        folder = cache_folder() / "archives" / key
        if not folder.is_dir():
            _unpack(archive, folder)
    files = (path for path in folder.rglob("*") if path.is_file())
    return {p.relative_to(folder).as_posix(): (p, 0, p.stat().st_size) for p in files}


def _unpack(archive: Path, folder: Path) -> None:
    """Unpack the archive's audio, all or nothing; another process may do the same meanwhile."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}.", dir=folder.parent))
    try:
        with tarfile.open(archive, "r:*") as tar:
            for member in tar:
                wanted = member.isreg() and member.name.lower().endswith(_AUDIO)
                content = tar.extractfile(member) if wanted else None
                if content is None:
                    continue
                path = PurePosixPath(member.name)
                if path.is_absolute() or ".." in path.parts:
                    raise AudioError(f"{archive} is unsafe: it holds the path {member.name}")
                target = temporary / path
                target.parent.mkdir(parents=True, exist_ok=True)
                with content, target.open("wb") as stream:
                    shutil.copyfileobj(content, stream, 1 << 20)
        try:
            temporary.rename(folder)
        except OSError:
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
