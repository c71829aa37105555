"""The table of docs/results.md: every file has its row, and a file that does not fit is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mata_audio.errors import RunError
from mata_audio.evaluation.study.study_file import study_json
from studies import entry, study_of

GOOD = entry("mass", "chosen", (9, 1), [(9, 1), (3, 1)], [(8, 1), (2, 1)])
BAD = entry("mass", "chosen", (9, 1), [(1, 9), (1, 3)])


def test_each_file_is_a_row(tool: Any, tmp_path: Path) -> None:
    page = f"before\n{tool.START}old\n{tool.END}after\n"
    assert tool.with_table(page, tool.table(tmp_path)) == page.replace(
        "old", "No study has been sent yet."
    )
    hostile = {"name": "<script>|*x*", "model_type": "audio"}
    files = {"a.json": study_of(GOOD), "b.json": study_of(BAD, model=hostile)}
    for name, study in files.items():
        (tmp_path / name).write_text(study_json(study), encoding="utf-8")
    lines = tool.with_table(page, tool.table(tmp_path)).splitlines()[2:-2]
    assert len(lines) == 4
    assert len({line.replace("\\|", "").count("|") for line in lines}) == 1
    assert "| mass: mass in words | +12.5 | 12 / 2 |" in lines[2]
    assert "| task +10.0 | [a.json](results/a.json) |" in lines[2]
    assert "| 50.0 | 11.2 |" in lines[2]
    assert "| nothing |" in lines[3]
    assert "<script>" not in lines[3]


def test_a_file_that_does_not_fit_is_refused(
    tool: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    data = json.loads(study_json(study_of(GOOD)))
    data["entries"][0]["figures"][0]["paired"]["lost"] -= 1
    (tmp_path / "a.json").write_text(json.dumps(data), encoding="utf-8")
    with pytest.raises(RunError, match=r"a\.json"):
        tool.table(tmp_path)
    monkeypatch.setattr(tool, "FOLDER", tmp_path)
    assert tool.main(["--check"]) == 1
    assert "a.json" in capsys.readouterr().err


def test_the_page_is_up_to_date(tool: Any) -> None:
    assert tool.main(["--check"]) == 0
