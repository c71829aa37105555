"""The example of a benchmark: its rule, and its run by the commands."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from mata_audio.cli.main import main
from mata_audio.evaluation import load_results

Example = Callable[[str], dict[str, Any]]


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("three beeps", 3),
        ("3", 3),
        ("There are Two.", 2),
        ("12 of them, not 3", 12),
        ("none", None),
        ("often", None),
        ("", None),
    ],
)
def test_numbers(example: Example, text: str, number: int | None) -> None:
    assert example("own_benchmark")["number_in"](text) == number


def test_what_is_right(example: Example) -> None:
    task = example("own_benchmark")["Counting"]()
    records = [
        {"answer": "3", "prediction": "three beeps"},
        {"answer": "3", "prediction": "two beeps"},
        {"answer": "3", "prediction": "beeps"},
    ]
    assert task.outcomes(records) == [True, False, False]


def test_a_run(
    example: Example,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Commands of the same process know the task by its name."""
    monkeypatch.chdir(tmp_path)
    data = example("own_benchmark")["write_questions"](Path("data"))
    questions = [json.loads(line) for line in data.read_text().splitlines()]
    assert len(questions) == 60
    assert {own["answer"] for own in questions} == {"1", "2", "3"}
    arguments = ["--data", str(data), "--out", "run", "--items", "6", "--alpha", "1"]
    assert main(["eval", "tiny", "--task", "counting", *arguments]) == 0
    assert main(["report", "run"]) == 0
    results = load_results("run")
    assert len(results.items) == 6
    for item in results.items:
        said = item.answers["baseline"]
        words = {"1": "one", "2": "two", "3": "three"}
        assert said.correct == (words[str(item.answer)] in said.raw)
    assert "How many?" in Path("run/report.html").read_text(encoding="utf-8")
