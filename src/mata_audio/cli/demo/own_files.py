"""Writing into a folder of the user's without overwriting what somebody else wrote there."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.storage.atomic_file import write_atomically

LIST = "files-of-mata-demo.json"
"""Lists the files that the demo wrote beside it, with their SHA-256 digests."""


class OwnFiles:
    """The files that demos wrote into a folder; no other file is ever replaced.

    Args:
        folder: the folder; it need not exist yet.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._digests = _listed(folder / LIST)

    def check(self, names: Iterable[str]) -> None:
        """Refuse to write files where others lie.

        Args:
            names: of the files, relative to the folder, with ``/``.

        Raises:
            SettingsError: a file of such a name is not as a demo wrote it; the message names it.
        """
        foreign = [name for name in (LIST, *names) if not self._is_ours(name)]
        if foreign:
            also = f" (and {len(foreign) - 1} more)" if len(foreign) > 1 else ""
            raise SettingsError(
                f"{self.folder / foreign[0]}{also} was not written by mata demo, or was changed "
                "since: move it away, or give another folder with --out"
            )

    def save(self, name: str, content: bytes) -> Path:
        """Write a file and list it.

        Raises:
            SettingsError: another file lies there.
            WriteError: it cannot be written.
        """
        self.check([name])
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        # Listed before it is written: a demo that is killed in between knows the old file as well.
        self._digests[name] = [own for own in (_digest(path), _sha256(content)) if own]
        listed = {"written by": "mata demo", "files": self._digests}
        write_atomically(self.folder / LIST, json.dumps(listed, indent=1) + "\n")
        write_atomically(path, content)
        return path

    def _is_ours(self, name: str) -> bool:
        path = self.folder / name
        if name == LIST:
            return not path.exists() or bool(self._digests)
        known = self._digests.get(name, [])
        return not (path.exists() or path.is_symlink()) or _digest(path) in known


def _listed(path: Path) -> dict[str, list[str]]:
    """Return the digests that each listed file may have; none if the list is not a demo's."""
    try:
        content: Any = json.loads(path.read_text(encoding="utf-8"))
        files = content["files"] if content["written by"] == "mata demo" else {}
        return {str(name): [str(own) for own in digests] for name, digests in files.items()}
    except (OSError, ValueError, LookupError, TypeError, AttributeError):
        return {}


def _digest(path: Path) -> str | None:
    return _sha256(path.read_bytes()) if path.is_file() else None


def _sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()
