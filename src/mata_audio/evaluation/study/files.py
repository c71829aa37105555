"""The folder of a study: two runs, fits, times, and what was found, in every form."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mata_audio.errors import RunError
from mata_audio.evaluation.study.outcome import Entry, Study
from mata_audio.evaluation.study.page import study_page
from mata_audio.evaluation.study.study_file import NAME, study_json
from mata_audio.evaluation.study.tables import study_markdown
from mata_audio.evaluation.study.timing import FILE
from mata_audio.methods.method import method_from
from mata_audio.settings.named import NamedSetting, save_setting
from mata_audio.storage.atomic_file import leftover_of, write_atomically

WINNER = "winner.json"
_OURS = ("choosing", "reporting", "fits", FILE, NAME, "study.md", "study.html", WINNER)


def check_folder(folder: Path) -> None:
    """Refuse a folder that holds something other than a study.

    Raises:
        RunError: it does.
    """
    if folder.is_file() or (
        folder.is_dir()
        and any((leftover_of(own) or own.name) not in _OURS for own in folder.iterdir())
    ):
        raise RunError(f"{folder} is neither a study nor empty: give a new folder")


def write_study(study: Study, folder: Path, tuned_on: Mapping[str, Any]) -> None:
    """Write ``study.json``, ``.md`` and ``.html``, and the recommended setting if there is one.

    Args:
        study: the study.
        folder: its folder.
        tuned_on: the choosing items, for the setting's file.
    """
    write_atomically(folder / NAME, study_json(study))
    write_atomically(folder / "study.md", study_markdown(study))
    write_atomically(folder / "study.html", study_page(study))
    if study.recommended is None:
        (folder / WINNER).unlink(missing_ok=True)  # an earlier one
    else:
        save_setting(setting_of(study.recommended, tuned_on), folder / WINNER)


def setting_of(entry: Entry, tuned_on: Mapping[str, Any] | None = None) -> NamedSetting:
    """Return the setting of an entry that has one."""
    assert entry.setting is not None
    return NamedSetting(str(entry.name), method_from(entry.setting, "the study"), tuned_on)
