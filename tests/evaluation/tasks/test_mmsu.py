"""MMSU: JSON lines next to audio, and the hub's parquet."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data_files import write_parquet

from mata_audio.errors import DataError
from mata_audio.evaluation.tasks import task_named

MMSU = task_named("mmsu")


def record(id: str = "s1", **changes: Any) -> dict[str, Any]:
    """A record as published."""
    return {
        "id": id,
        "task_name": "accent",
        "audio_path": f"audio/{id}.wav",
        "question": "Which accent?",
        "choice_a": "Indian",
        "choice_b": "Irish",
        "choice_c": "Scottish",
        "choice_d": None,
        "answer_gt": "Irish",
        "category": "Perception",
        "sub-category": "Paralinguistics",
        "sub-sub-category": "Speaker traits",
        **changes,
    }


def write(folder: Path, *records: dict[str, Any]) -> Path:
    """Write the published layout; return the question file."""
    (folder / "question").mkdir()
    (folder / "audio").mkdir()
    (folder / "audio/s1.wav").write_bytes(b"RIFF")
    file = folder / "question" / "mmsu.jsonl"
    file.write_text("".join(json.dumps(each) + "\n" for each in records))
    return file


@pytest.mark.parametrize("by_file", [True, False])
def test_json_lines(by_file: bool, tmp_path: Path) -> None:
    file = write(tmp_path, record())
    (item,) = MMSU.load(file if by_file else tmp_path, "test").items
    assert item.choices == ("Indian", "Irish", "Scottish")
    assert item.answer == "Irish"
    assert item.audio[0].read() == b"RIFF"
    assert item.record == record()
    assert item.groups == {
        "category": "Perception",
        "sub-category": "Paralinguistics",
        "task_name": "accent",
    }


def test_parquet(tmp_path: Path) -> None:
    row = {**record(), "audio": {"bytes": b"RIFF", "path": "s1.wav"}}
    write_parquet(tmp_path / "data/train-00000-of-00001.parquet", [row])
    (item,) = MMSU.load(tmp_path, "test").items
    assert item.audio[0].read() == b"RIFF"
    assert item.audio[0].name == "s1.wav"
    assert item.record == record()


def test_numbers_as_choices(tmp_path: Path) -> None:
    file = write(tmp_path, record(choice_a=1, choice_b=2, choice_c=3, answer_gt=2))
    (item,) = MMSU.load(file, "test").items
    assert (item.choices, item.answer) == (("1", "2", "3"), "2")
    assert MMSU.outcomes([MMSU.record(item, "2")]) == [True]


def test_letters_that_would_shift_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"record 1 \(id s1\): it needs choice_a to choice_d"):
        MMSU.load(write(tmp_path, record(choice_b=None)), "test")


def test_scoring(tmp_path: Path) -> None:
    file = write(tmp_path, record())
    (item,) = MMSU.load(file, "test").items
    records = [MMSU.record(item, said) for said in (" irish ", "A", "B. Irish", "no idea")]
    assert [each["response"] for each in records] == ["B", "A", "B. Irish", "no idea"]
    assert MMSU.outcomes(records) == [True, False, True, None]
    assert "Overall Accuracy: 0.6667" in MMSU.official_script.output(records)
