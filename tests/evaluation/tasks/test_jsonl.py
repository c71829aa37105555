"""Your own questions: with and without choices, answers and categories."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from mata_audio.evaluation.item import Item
from mata_audio.evaluation.tasks import task_named

JSONL = task_named("jsonl")


def load(folder: Path, *records: dict[str, Any]) -> tuple[Item, ...]:
    """Write a question file next to two clips, and load it."""
    (folder / "clips").mkdir()
    for name in "ab":
        (folder / f"clips/{name}.wav").write_bytes(name.encode())
    file = folder / "mine.jsonl"
    file.write_text("\n".join(map(json.dumps, records)))
    return JSONL.load(file, "test").items


def test_choices_answers_and_categories_are_optional(tmp_path: Path) -> None:
    full, bare = load(
        tmp_path,
        {
            "id": "1",
            "audio": "clips/a.wav",
            "question": "Which?",
            "choices": ["(A) dog", "(B) cat"],
            "answer": "(A) dog",
            "category": "pets",
        },
        {"id": "2", "audio": ["clips/b.wav", str(tmp_path / "clips/a.wav")], "question": "What?"},
    )
    assert (full.choices, full.answer, full.groups) == (("dog", "cat"), "dog", {"category": "pets"})
    assert (bare.choices, bare.answer, bare.groups) == ((), None, {})
    assert [clip.read() for clip in full.audio] == [b"a"]
    assert [clip.read() for clip in bare.audio] == [b"b", b"a"]
    assert JSONL.unscored_reason(full) is None
    assert JSONL.unscored_reason(bare) == "it has no answer"


def test_scoring(tmp_path: Path) -> None:
    common = {"audio": "clips/a.wav", "question": "Which?", "answer": "dog"}
    closed, free = load(
        tmp_path, {"id": 1, "choices": ["dog", "cat"], **common}, {"id": 2, **common}
    )
    said = ("a dog", "dog or cat", "Dog.")
    assert JSONL.outcomes([JSONL.record(closed, each) for each in said]) == [True, False, True]
    assert JSONL.outcomes([JSONL.record(free, each) for each in said]) == [False, False, True]
    assert JSONL.outcomes([{**JSONL.record(free, "dog"), "answer": ""}, free.record]) == [None] * 2
    assert JSONL.official_script is None
