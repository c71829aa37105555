"""Refusing at once a file or folder that could not be written at the end of a command."""

from __future__ import annotations

from pathlib import Path

from mata_audio.errors import SettingsError


def check_file(option: str, path: Path | None) -> None:
    """Check that a file can be written where an option says; None if it was not given.

    Raises:
        SettingsError: it is a folder, or there is no folder for it.
    """
    if path is None:
        return
    if path.is_dir():
        raise SettingsError(f"{option} {path}: this is a folder; give a file")
    if not path.absolute().parent.is_dir():
        raise SettingsError(f"{option} {path}: there is no folder {path.absolute().parent}")


def check_folder(option: str, path: Path) -> None:
    """Check that the folder of an option is one, or is yet to be made.

    Raises:
        SettingsError: it is a file.
    """
    if path.exists() and not path.is_dir():
        raise SettingsError(f"{option} {path}: this is a file; give a folder")
