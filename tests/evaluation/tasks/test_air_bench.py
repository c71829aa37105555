"""AIR-Bench's foundation part: its folders, its FLAC task, its ids."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from mata_audio.errors import DataError
from mata_audio.evaluation.tasks import task_named

AIR = task_named("air-bench")


def record(number: int = 1, task: str = "Sound_AQA", **changes: Any) -> dict[str, Any]:
    """A record as published."""
    return {
        "path": "x1.wav",
        "question": "Indoors?",
        "choice_a": "yes",
        "choice_b": "no",
        "answer_gt": "no",
        "task_name": task,
        "dataset_name": "clotho",
        "uniq_id": number,
        **changes,
    }


def write(folder: Path, *records: dict[str, Any]) -> Path:
    """Write the published layout; return its folder."""
    for name in ("Sound_AQA_clotho/x1.wav", "Audio_Grounding_clotho/x1.flac"):
        path = folder / "Foundation" / name
        path.parent.mkdir(parents=True)
        path.write_bytes(name.encode())
    (folder / "Foundation/Foundation_meta.json").write_text(json.dumps(records))
    return folder


@pytest.mark.parametrize("place", [".", "Foundation", "Foundation/Foundation_meta.json"])
def test_folder_of_each_task(place: str, tmp_path: Path) -> None:
    folder = write(tmp_path, record(), record(2, "Audio_Grounding"))
    items = AIR.load(folder / place, "foundation").items
    assert [item.id for item in items] == ["1", "2"]
    assert [item.audio[0].read() for item in items] == [
        b"Sound_AQA_clotho/x1.wav",
        b"Audio_Grounding_clotho/x1.flac",
    ]
    assert items[0].choices == ("yes", "no")
    assert items[0].groups == {"task_name": "Sound_AQA", "dataset_name": "clotho"}
    assert items[0].record == record()


def test_ids_that_repeat_between_tasks_get_their_task(tmp_path: Path) -> None:
    folder = write(tmp_path, record(), record(1, "Audio_Grounding"))
    items = AIR.load(folder, "foundation").items
    assert [item.id for item in items] == ["Sound_AQA_clotho_1", "Audio_Grounding_clotho_1"]


def test_ids_that_repeat_within_a_task_are_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="for example Sound_AQA_clotho_1"):
        AIR.load(write(tmp_path, record(), record()), "foundation")


def test_a_record_without_task_is_left_out_of_the_score(tmp_path: Path) -> None:
    (item,) = AIR.load(write(tmp_path, record(task_name=None)), "foundation").items
    assert item.groups == {"dataset_name": "clotho"}
    assert AIR.outcomes([AIR.record(item, "B")]) == [None]


def test_scoring(tmp_path: Path) -> None:
    (item,) = AIR.load(write(tmp_path, record()), "foundation").items
    records = [AIR.record(item, said) for said in ("No", "A", "(B)", "?")]
    assert [each["response"] for each in records] == ["B", "A", "(B)", "?"]
    assert AIR.outcomes(records) == [True, False, True, None]
    assert "Sound_AQA_clotho: Sum=3, correct=2" in AIR.official_script.output(records)
