"""Finding the clips that a question file names: all folders that a path names must match."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from mata_audio.errors import DataError
from mata_audio.evaluation.data import audio_sources as sources
from mata_audio.evaluation.item import AudioSource

_DEPTH = 5
"""How deep clips are searched for, so that a wrong folder costs little time."""
_ARCHIVES = (".tar.gz", ".tgz", ".tar", ".zip")
_NAMED = 3
"""Files that a message names at most."""

_Found = sources.FileAudio | sources.ZipAudio | sources.TarAudio


@dataclass(frozen=True)
class _Candidate:
    """A clip that is there, and the absolute paths under which a question file may name it."""

    source: _Found
    paths: tuple[tuple[str, ...], ...]

    def fits(self, wanted: Sequence[str]) -> bool:
        return any(path[-len(wanted) :] == tuple(wanted) for path in self.paths)


class Clips:
    """Finds a dataset's clips; folders and archives are listed once, when first needed.

    Args:
        folder: the dataset's folder; its subfolders and archives are searched too.
        beside: another folder that paths may be relative to.
    """

    def __init__(self, folder: Path, beside: Path | None = None) -> None:
        self._folder = folder
        self._roots = tuple(dict.fromkeys([folder, beside or folder]))

    def find(self, name: str) -> AudioSource:
        """Return a clip by its path in the question file; if it is not found, reading it fails.

        The path itself is tried first. Then a clip anywhere below the folder is taken if its
        absolute path ends with that path, so that a path may begin above the folder given, and a
        bare file name fits in any folder. An archive counts as a folder, with its name or without.
        A file on disk is preferred to one in an archive.

        Raises:
            DataError: several clips fit.
        """
        places = [root / name for root in self._roots]
        exact = [self._file(path, name) for path in places if path.is_file()]
        if exact:
            return _only(name, _distinct(exact))
        wanted = PurePosixPath(name.replace("\\", "/")).parts
        same_name = self._listed.get(wanted[-1], []) if wanted else []
        fitting = [replace(each.source, name=name) for each in same_name if each.fits(wanted)]
        if fitting:
            on_disk = [each for each in fitting if isinstance(each, sources.FileAudio)]
            return _only(name, _distinct(on_disk) or fitting)
        why = "it is neither a file nor in a .zip, .tar or .tar.gz there"
        if same_name:
            there = _listing([each.source.place for each in same_name])
            why = f"the folders in that path do not match those of {there}"
        return sources.MissingAudio(
            name, f"clip {name} not found in {self._folder}: {why}; copy the audio there"
        )

    def _file(self, path: Path, name: str) -> sources.FileAudio:
        inside = path.is_relative_to(self._folder)
        place = path.relative_to(self._folder).as_posix() if inside else name
        return sources.FileAudio(path, name, place)

    @cached_property
    def _listed(self) -> dict[str, list[_Candidate]]:
        """All clips by file name."""
        listed: defaultdict[str, list[_Candidate]] = defaultdict(list)
        for path in _files(self._folder):
            absolute = Path(os.path.abspath(path))
            file = self._file(path, path.name)
            listed[path.name].append(_Candidate(file, (absolute.parts,)))
            suffix = next((end for end in _ARCHIVES if path.name.endswith(end)), None)
            if suffix is None:
                continue
            folders = (absolute.parent, absolute.with_name(path.name.removesuffix(suffix)))
            for member, source in sources.archive_members(path):
                own = PurePosixPath(member).parts
                if own:
                    placed = replace(source, place=f"{file.place}:{member}")
                    paths = tuple((*folder.parts, *own) for folder in folders)
                    listed[own[-1]].append(_Candidate(placed, paths))
        return dict(listed)


def _only(name: str, found: Sequence[_Found]) -> _Found:
    if len(found) > 1:
        raise DataError(
            f"clip {name} is ambiguous: {_listing([each.place for each in found])} fit equally "
            "well; name more of the folders in the question file, or remove all but one of the "
            "files"
        )
    return found[0]


def _listing(places: Sequence[str]) -> str:
    more = len(places) - _NAMED
    return " and ".join([*places[:_NAMED], *([f"{more} more"] if more > 0 else [])])


def _distinct(files: Sequence[sources.FileAudio]) -> list[sources.FileAudio]:
    """Leave out links to a file that is there already."""
    return list({file.path.resolve(): file for file in reversed(files)}.values())[::-1]


def _files(folder: Path) -> Iterator[Path]:
    for root, folders, files in os.walk(folder):
        deep = len(Path(root).relative_to(folder).parts) >= _DEPTH
        folders[:] = [] if deep else sorted(name for name in folders if not name.startswith("."))
        yield from (Path(root) / name for name in sorted(files))
