"""MMAU in every published layout."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest
from data_files import ORIGINS, loaded, write_parquet, write_tar

from mata_audio.errors import DataError
from mata_audio.evaluation.tasks import task_named

MMAU = task_named("mmau")


def record(id: str = "3fe6", **changes: Any) -> dict[str, Any]:
    """A record as in the JSON file."""
    return {
        "id": id,
        "audio_id": f"./test-mini-audios/{id}.wav",
        "question": "Who speaks?",
        "choices": ["Man", "Woman", "Man"],
        "answer": "Woman",
        "dataset": "AudioSet",
        "task": "sound",
        "split": "test-mini",
        "category": ["Reasoning"],
        "sub-category": "Acoustic Source Inference",
        "difficulty": "medium",
        **changes,
    }


def hub_row(id: str = "3fe6", **changes: Any) -> dict[str, Any]:
    """The same record as a row of the hub's parquet."""
    full = record(id)
    taken = ("id", "dataset", "task", "split", "category", "sub-category", "difficulty")
    return {
        "context": {"bytes": b"RIFF" + id.encode(), "path": f"{id}.wav"},
        "instruction": full["question"],
        "choices": [f"({letter}) {c}" for letter, c in zip("ABC", full["choices"], strict=True)],
        "answer": "(B) Woman",
        "other_attributes": json.dumps({key: full[key] for key in taken}),
        **changes,
    }


def write_json(folder: Path, records: list[dict[str, Any]], split: str = "test-mini") -> Path:
    """Write a question file; return its folder."""
    (folder / f"mmau-{split}.json").write_text(json.dumps(records))
    return folder


def test_json_beside_its_audio(tmp_path: Path) -> None:
    (tmp_path / "test-mini-audios").mkdir()
    (tmp_path / "test-mini-audios/3fe6.wav").write_bytes(b"RIFF")
    dataset = MMAU.load(write_json(tmp_path, [record()]), "test-mini")
    (item,) = dataset.items
    assert (dataset.task, dataset.split) == ("mmau", "test-mini")
    assert list(dataset.files) == ["mmau-test-mini.json"]
    assert (item.id, item.question, item.answer) == ("3fe6", "Who speaks?", "Woman")
    assert item.choices == ("Man", "Woman", "Man")
    assert [clip.read() for clip in item.audio] == [b"RIFF"]
    assert item.record == record()
    assert item.groups == {
        "task": "sound",
        "difficulty": "medium",
        "sub-category": "Acoustic Source Inference",
    }


def test_audio_in_a_tar_archive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    write_tar(tmp_path / "test-audios.tar.gz", {"test-mini-audios/3fe6.wav": b"RIFF"})
    (item,) = MMAU.load(write_json(tmp_path, [record()]), "test-mini").items
    assert item.audio[0].read() == b"RIFF"


def test_parquet_of_the_hub(tmp_path: Path) -> None:
    ids = ["3fe6", "72fb", "6aee"]
    write_parquet(tmp_path / "test_mini.parquet", [hub_row(id) for id in ids])
    dataset = MMAU.load(tmp_path, "test-mini")
    assert [item.id for item in dataset.items] == ids
    assert [item.audio[0].read() for item in dataset.items] == [b"RIFF" + i.encode() for i in ids]
    assert dataset.items[0].record == record(audio_id="3fe6.wav")
    assert dataset.items[0].choices == ("Man", "Woman", "Man")
    assert list(dataset.files) == ["test_mini.parquet"]


def test_other_layouts_of_parquet(tmp_path: Path) -> None:
    """Choices as JSON text, plain columns, several shards."""
    for shard, id in enumerate("ab"):
        row = record(id, choices=json.dumps(["Man", "Woman"]), audio={"bytes": b"RIFF"})
        row.pop("audio_id")
        write_parquet(tmp_path / f"data/test_mini-0000{shard}-of-00002.parquet", [row])
    dataset = MMAU.load(tmp_path, "test-mini")
    assert [item.id for item in dataset.items] == ["a", "b"]
    assert dataset.items[0].choices == ("Man", "Woman")
    assert dataset.items[0].audio[0].read() == b"RIFF"
    assert len(dataset.files) == 2


def test_parquet_serves_where_the_json_has_no_audio(tmp_path: Path) -> None:
    write_json(tmp_path, [record()])
    write_parquet(tmp_path / "test_mini.parquet", [hub_row()])
    dataset = MMAU.load(tmp_path, "test-mini")
    assert list(dataset.files) == ["test_mini.parquet"]
    assert dataset.items[0].audio[0].read() == b"RIFF3fe6"
    named = MMAU.load(tmp_path / "mmau-test-mini.json", "test-mini")
    assert list(named.files) == ["mmau-test-mini.json"]


def test_answers_of_the_test_split_are_hidden(tmp_path: Path) -> None:
    (item,) = MMAU.load(write_json(tmp_path, [record(answer="")], "test"), "test").items
    assert item.answer is None
    assert item.record["answer"] == ""
    assert MMAU.unscored_reason(item) == "the benchmark hides its answer"


def test_prefixes_in_the_json_are_stripped(tmp_path: Path) -> None:
    prefixed = record(choices=["(A) Man", "(B) Woman"], answer="(B) Woman")
    (item,) = MMAU.load(write_json(tmp_path, [prefixed]), "test-mini").items
    assert (item.choices, item.answer) == (("Man", "Woman"), "Woman")
    assert (item.record["choices"], item.record["answer"]) == (["Man", "Woman"], "Woman")


def test_first_release_has_no_ids(tmp_path: Path) -> None:
    old = record()
    del old["id"]
    (item,) = MMAU.load(write_json(tmp_path, [old]), "test-mini").items
    assert item.id == item.record["id"] == "3fe6"


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"question": ""}, "record 1 (id 3fe6): question is missing"),
        ({"choices": []}, "it has no choices"),
        ({"audio_id": None}, "audio_id is missing"),
        ({"answer": ["Man"]}, "answer is ['Man'], not text"),
        ({"other_attributes": "oops"}, "other_attributes is not a JSON object"),
    ],
)
def test_incomplete_records_are_refused(changes: dict[str, Any], said: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match=re.escape(said)):
        MMAU.load(write_json(tmp_path, [record(**changes)]), "test-mini")


def test_scoring(tmp_path: Path) -> None:
    dataset = MMAU.load(write_json(tmp_path, [record("a"), record("b")]), "test-mini")
    pairs = zip(dataset.items, ("woman", "Man"), strict=True)
    records = [MMAU.record(item, said) for item, said in pairs]
    assert [each["model_output"] for each in records] == ["woman", "Man"]
    assert MMAU.outcomes(records) == [True, False]
    assert "Total Accuracy: 50.00% over 2 samples" in MMAU.official_script.output(records)


@pytest.mark.parametrize("origin", ORIGINS)
def test_question_file(origin: str) -> None:
    version = "MMAU v05.15.25 (2025-08-09)"
    dataset = loaded(MMAU, "mmau-test-mini.json", "test-mini", origin, version)
    assert all(item.answer in item.choices for item in dataset.items)
    assert all(set(item.groups) == {g.key for g in MMAU.groupings} for item in dataset.items)
