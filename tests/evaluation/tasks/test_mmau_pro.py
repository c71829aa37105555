"""MMAU-Pro: several clips, open questions, instructions, parquet with a zip archive."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from data_files import write_parquet, write_zip

from mata_audio.errors import DataError
from mata_audio.evaluation.tasks import task_named

PRO = task_named("mmau-pro")


def record(id: str = "p1", **changes: Any) -> dict[str, Any]:
    """A record as published."""
    return {
        "id": id,
        "audio_path": ["data/1.wav", "data/2.wav"],
        "question": "Which is louder?",
        "answer": "The second",
        "choices": ["The first", "The second"],
        "category": "multi",
        "task_identifier": None,
        "kwargs": None,
        **changes,
    }


OPEN = record("p2", category="open", choices=[], audio_path=["data/1.wav"])
INSTRUCTION = record(
    "p3",
    category="instruction following",
    choices=None,
    answer=None,
    task_identifier="Number Words (at most)",
    kwargs={"N": 3, "keywords": None},
)


def load(folder: Path, *records: dict[str, Any]) -> Any:
    """Write the parquet and the zip archive, and load them."""
    write_parquet(folder / "test.parquet", list(records))
    write_zip(folder / "data.zip", {"data/1.wav": "1", "data/2.wav": "2"})
    return PRO.load(folder, "test")


def test_parquet_with_zip(tmp_path: Path) -> None:
    items = load(tmp_path, record(), OPEN, INSTRUCTION).items
    assert [clip.read() for clip in items[0].audio] == [b"1", b"2"]
    assert [len(item.audio) for item in items] == [2, 1, 2]
    assert items[0].choices == ("The first", "The second")
    assert [item.groups["category"] for item in items] == ["multi", "open", "instruction following"]
    assert items[2].record["kwargs"] == {"N": 3}


def test_open_questions_are_not_scored(tmp_path: Path) -> None:
    few = record("p4", choices=["one"])
    items = load(tmp_path, record(), OPEN, INSTRUCTION, few).items
    reasons = [PRO.unscored_reason(item) for item in items]
    assert reasons[0] is reasons[2] is None
    assert "Qwen2.5-7B-Instruct" in (reasons[1] or "")
    assert reasons[3] == reasons[1]


def test_scoring(tmp_path: Path) -> None:
    items = load(tmp_path, record(), OPEN, INSTRUCTION).items
    records = [PRO.record(item, "the second.") for item in items]
    assert records[0]["model_output"] == "the second."
    assert PRO.outcomes(records) == [True, None, True]
    assert PRO.outcomes([PRO.record(items[2], "one two three four")]) == [False]
    assert PRO.official_script is None


def test_json_with_paths_and_parameters_as_text(tmp_path: Path) -> None:
    one = record(audio_path="data/1.wav", kwargs='{"N": 1}')
    (tmp_path / "mmau-pro.json").write_text(json.dumps([one]))
    (item,) = PRO.load(tmp_path, "test").items
    assert [clip.name for clip in item.audio] == ["data/1.wav"]
    assert item.record["kwargs"] == {"N": 1}


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"audio_path": []}, "audio_path must be a path or a list of paths, not []"),
        ({"category": None}, "category is missing"),
        ({"kwargs": "{oops"}, "kwargs is not JSON"),
    ],
)
def test_incomplete_records_are_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    (tmp_path / "mmau-pro.json").write_text(json.dumps([record(**changes)]))
    with pytest.raises(DataError, match=re.escape(said)):
        PRO.load(tmp_path, "test")
