"""The settings and the size of the tests' small runs, and changes to a small MMAU."""

from __future__ import annotations

import json
from pathlib import Path

from mata_audio import MATA
from mata_audio.evaluation import NamedSetting

SETTINGS = [NamedSetting("MATA", MATA(alpha=2, layers="3-7"))]
ITEMS = 36


def edit_records(folder: Path, **changes: object) -> None:
    """Set fields of every record of an MMAU folder."""
    path = folder / "mmau-test-mini.json"
    records = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps([{**record, **changes} for record in records]), encoding="utf-8")
