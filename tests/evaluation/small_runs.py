"""The settings of the tests' small runs, and a small benchmark in MMAU's layout."""

from __future__ import annotations

import json
from pathlib import Path

from mata_audio import MATA
from mata_audio.evaluation import NamedSetting
from mata_audio.tiny import make_items, write_benchmark

SETTINGS = [NamedSetting("MATA", MATA(alpha=2, layers="3-7"))]
ITEMS = 36


def mmau_folder(folder: Path, items: int) -> Path:
    """Write the first items of the embedded benchmark in MMAU's published layout."""
    path = write_benchmark(folder, make_items("test", items))
    path.rename(folder / "mmau-test-mini.json")
    return folder


def edit_records(folder: Path, **changes: object) -> None:
    """Set fields of every record of an MMAU folder."""
    path = folder / "mmau-test-mini.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([{**record, **changes} for record in records]), encoding="utf-8")
