"""MMAR: JSON and JSON lines, audio in a folder or in its archive."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from data_files import ORIGINS, loaded, write_tar

from mata_audio.evaluation.tasks import task_named

MMAR = task_named("mmar")


def record(id: str = "f0V_00", **changes: Any) -> dict[str, Any]:
    """A record as published."""
    return {
        "id": id,
        "audio_path": f"./audio/{id}.wav",
        "question": "What sings",
        "choices": ["Owl", "Parrot"],
        "answer": "Parrot",
        "modality": "mix-sound-speech",
        "category": "Semantic Layer",
        "sub-category": "Speaker Analysis",
        "language": None,
        **changes,
    }


@pytest.mark.parametrize("name", ["MMAR-meta.json", "MMAR-meta.jsonl"])
def test_both_layouts(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    content = json.dumps([record()]) if name.endswith("json") else json.dumps(record()) + "\n"
    (tmp_path / name).write_text(content)
    write_tar(tmp_path / "mmar-audio.tar.gz", {"audio/f0V_00.wav": b"RIFF"})
    (item,) = MMAR.load(tmp_path, "test").items
    assert (item.id, item.choices, item.answer) == ("f0V_00", ("Owl", "Parrot"), "Parrot")
    assert item.audio[0].read() == b"RIFF"
    assert item.record == record()
    assert item.groups == {
        "modality": "mix-sound-speech",
        "category": "Semantic Layer",
        "sub-category": "Speaker Analysis",
    }


def test_scoring(tmp_path: Path) -> None:
    (tmp_path / "MMAR-meta.json").write_text(json.dumps([record()]))
    (item,) = MMAR.load(tmp_path, "test").items
    records = [MMAR.record(item, "A parrot.")]
    assert records[0]["answer_prediction"] == "A parrot."
    assert MMAR.outcomes(records) == [True]
    assert "mix-sound-speech : 100.00% over 1 samples" in MMAR.official_script.output(records)


@pytest.mark.parametrize("origin", ORIGINS)
def test_question_file(origin: str) -> None:
    version = "MMAR with rubrics (2026-02-16)"
    dataset = loaded(MMAR, "MMAR-meta.jsonl", "test", origin, version)
    assert all(item.answer for item in dataset.items)
    assert {item.groups["modality"] for item in dataset.items} == set(MMAR.groupings[0].names)
