"""Scoring against the official scripts.

``official/`` holds what they printed, or how they crashed, for records made for these tests. What
they printed for whole benchmarks is not published: CONTRIBUTING.md says how to make it.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any
from unittest.mock import Mock

import pytest
from data_files import golden_file, question_file, questions_of

from mata_audio.cli.main import build_parser
from mata_audio.errors import ScoringError, SettingsError
from mata_audio.evaluation.scoring import exact_text, instructions
from mata_audio.evaluation.scoring.letters import AIR_BENCH, MMSU
from mata_audio.evaluation.scoring.string_match import MMAR, MMAU
from mata_audio.evaluation.task import Predictions
from mata_audio.evaluation.tasks import TASKS, WITH_OFFICIAL_SCRIPT, official_output

OFFICIAL = Path(__file__).parent / "official"
SCORERS = {"mmau": MMAU, "mmar": MMAR, "mmsu": MMSU, "air-bench": AIR_BENCH}


def official(name: str, part: str) -> list[dict[str, Any]]:
    content: dict[str, Any] = json.loads((OFFICIAL / f"{name}.json").read_text(encoding="utf-8"))
    return content[part]


def parts(part: str) -> list[Any]:
    return [
        pytest.param(name, case, id=f"{name}: {case['name']}")
        for name in SCORERS
        for case in official(name, part)
    ]


def write(case: dict[str, Any], folder: Path) -> Path:
    if "lines" in case:
        text = "".join(f"{line}\n" for line in case["lines"])
    elif case["file"].endswith("json"):
        text = json.dumps(case["records"])
    else:
        text = "".join(f"{json.dumps(record)}\n" for record in case["records"])
    path = folder / case["file"]
    path.write_text(text, encoding="utf-8", newline="")
    return path


def read(name: str, path: Path) -> Predictions:
    script = TASKS[name].official_script
    assert script is not None
    return script.read(str(path))


def run_score(*words: str | Path) -> int:
    args = build_parser().parse_args(["score", *map(str, words)])
    code: int = args.run(args)
    return code


# What the official scripts print


@pytest.mark.parametrize(("name", "case"), parts("cases"))
def test_output_is_the_official_one(
    name: str, case: dict[str, Any], tmp_path: Path, capsysbinary: pytest.CaptureFixture[bytes]
) -> None:
    assert run_score(name, write(case, tmp_path)) == 0
    out, err = capsysbinary.readouterr()
    assert out == case["stdout"].encode()
    assert err == b""


@pytest.mark.parametrize(("name", "case"), parts("crashes"))
def test_where_the_official_script_fails(name: str, case: dict[str, Any], tmp_path: Path) -> None:
    path = write(case, tmp_path)
    with pytest.raises(ScoringError) as caught:
        official_output(name, path)
    assert str(path) in str(caught.value)
    for part in case["message_has"]:
        assert part in str(caught.value)


@pytest.mark.parametrize(
    ("name", "file"),
    [("mmau", "mmau-test-mini.json"), ("mmar", "MMAR-meta.jsonl"), ("mmsu", None)],
)
def test_golden_files(name: str, file: str | None, tmp_path: Path) -> None:
    golden = json.loads(golden_file(f"{name}.json").read_text(encoding="utf-8"))
    if file is None:
        records = golden["records"]
    else:
        records = questions_of(question_file(file, "published"))
        for record in records:
            if record["id"] in golden["predictions"]:
                record[golden["prediction_key"]] = golden["predictions"][record["id"]]
    scorer = SCORERS[name]
    assert scorer.official_output(records) == golden["stdout"]
    if "match" in golden:
        outcomes = zip((record["id"] for record in records), scorer.outcomes(records), strict=True)
        assert {id_: right for id_, right in outcomes if right is not None} == golden["match"]
    format = "json" if name == "mmau" else "jsonl"
    written = write({"file": f"p.{format}", "records": records}, tmp_path)
    assert official_output(name, written) == golden["stdout"]


@pytest.mark.parametrize(
    "case", official("mmau-pro", "cases"), ids=lambda case: str(case["task_identifier"])
)
def test_instructions_as_the_official_script_judges_them(case: dict[str, Any]) -> None:
    asked = (case["response"], case["task_identifier"], case["kwargs"], case["question"])
    if "official_failure" in case:
        with pytest.raises(ScoringError, match=r"must be"):
            instructions.follows(*asked)
    else:
        assert instructions.follows(*asked) is case["follows"]
        if isinstance(case["kwargs"], dict):
            as_text = json.dumps(case["kwargs"])
            assert instructions.follows(asked[0], asked[1], as_text, asked[3]) is case["follows"]


# Files


@pytest.mark.parametrize("name", SCORERS)
def test_files_that_cannot_be_read(name: str, tmp_path: Path) -> None:
    missing = tmp_path / "none.jsonl"
    with pytest.raises(ScoringError, match=r"none\.jsonl cannot be read \(No such file"):
        read(name, missing)
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"[]\n\xff")
    with pytest.raises(ScoringError, match=r"binary\.json must be text in UTF-8"):
        read(name, binary)


@pytest.mark.parametrize("content", ["{}", '"model_output"', "null", "5"])
def test_the_top_level_must_be_a_list(content: str, tmp_path: Path) -> None:
    path = tmp_path / "p.json"
    path.write_text(content)
    for name in ("mmau", "mmar"):
        with pytest.raises(ScoringError, match=r"p\.json must hold a JSON list of records"):
            read(name, path)


@pytest.mark.parametrize(("line", "why"), [("[" * 100_000, "nested"), ("1" * 5_000, "4300")])
def test_lines_that_python_cannot_read(line: str, why: str, tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text(f"{{}}\n{line}\n")
    for name in ("mmar", "mmsu", "air-bench"):
        with pytest.raises(ScoringError, match=rf"p\.jsonl, line 2,.*{why}"):
            read(name, path)


def test_what_is_printed_while_reading_comes_apart_from_the_records(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    path.write_text('{"response": "A"}\nnot json\n')
    predictions = read("mmsu", path)
    assert predictions.records == [{"response": "A"}]
    assert predictions.printed.startswith("Error decoding JSON on line 1: not json\n")


def test_only_benchmarks_with_an_official_script(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SettingsError, match="mmau, mmar, mmsu, air-bench; got 'tiny'"):
        official_output("tiny", "p.json")
    with pytest.raises(SystemExit):
        run_score("tiny", "p.json")
    assert "tiny" in capsys.readouterr().err
    assert tuple(SCORERS) == WITH_OFFICIAL_SCRIPT


# Outcomes


def test_outcomes_leave_out_what_does_not_count() -> None:
    mmau = {"answer": "Dog", "choices": ["Dog", "Cat"], "task": "sound", "difficulty": "easy"}
    assert MMAU.outcomes([mmau, {**mmau, "model_output": "a dog"}]) == [None, True]
    assert MMAU.outcomes([mmau]) == [None]
    mmsu = {"choice_a": "p", "choice_b": "q", "answer_gt": "q"}
    said = ["B", "", "A", None, "hm"]
    records = [{**mmsu, "response": response} for response in said]
    assert MMSU.outcomes(records) == [True, True, False, None, None]
    named = [{"task_name": "t", "dataset_name": "d", **record} for record in records]
    named[3]["task_name"] = None
    assert AIR_BENCH.outcomes(named) == [True, None, False, None, None]


def test_instructions_of_records() -> None:
    asked = {"category": "instruction following", "task_identifier": "No Commas"}
    records = [
        {**asked, "model_output": "a, b"},
        {**asked, "model_output": 3},
        asked,
        {**asked, "category": "sound", "model_output": "a"},
    ]
    assert instructions.outcomes(records) == [False, True, None, None]
    wrong = {"task_identifier": "Postscript", "kwargs": {"postscript_marker": None}}
    bad = {**asked, **wrong, "id": "q9", "model_output": "a"}
    said = r"record 2 \(id q9\): kwargs\.postscript_marker must be text; got null"
    with pytest.raises(ScoringError, match=said):
        instructions.outcomes([asked, bad])


def test_counting_sentences(monkeypatch: pytest.MonkeyPatch) -> None:
    def at_full_stops(text: str) -> list[str]:
        return [part for part in text.split(".") if part]

    monkeypatch.setitem(sys.modules, "nltk", Mock())
    monkeypatch.setitem(sys.modules, "nltk.tokenize", Mock(sent_tokenize=at_full_stops))
    for response, count in [("", 0), ("a.", 1), ("a.b.", 2), ("a.b.c.", 3)]:
        for kind, wanted in [("at least", count >= 2), ("at most", count <= 2)]:
            name = f"Number Sentences ({kind})"
            assert instructions.follows(response, name, {"N": 2}) is wanted
        in_range = instructions.follows(response, "Number Sentences (range)", {"N1": 1, "N2": 2})
        assert in_range is (count in (1, 2))


def test_counting_sentences_without_nltk_or_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    record = {
        "category": "instruction following",
        "task_identifier": "Number Sentences (at least)",
        "kwargs": {"N": 1},
        "model_output": "One.",
    }
    no_data = Mock(side_effect=LookupError("Resource punkt_tab not found."))
    monkeypatch.setitem(sys.modules, "nltk", Mock())
    monkeypatch.setitem(sys.modules, "nltk.tokenize", Mock(sent_tokenize=no_data))
    with pytest.raises(ScoringError, match=r"record 1: .*python -m nltk\.downloader punkt_tab"):
        instructions.outcomes([record])
    monkeypatch.setitem(sys.modules, "nltk.tokenize", None)
    with pytest.raises(ScoringError, match=r"record 1: .*pip install nltk"):
        instructions.outcomes([record])


def test_exact_text() -> None:
    asked = {"category": "sound", "choices": ["Rain.", "Wind"], "answer": "Rain."}
    said = ["rain", " RAIN!? ", "the rain", "", None]
    records = [{**asked, "model_output": response} for response in said]
    assert exact_text.outcomes(records) == [True, True, False, False, False]
    prediction = {"model_output": "rain"}
    for left_out in (
        asked,
        {**asked, **prediction, "category": "open"},
        {**asked, **prediction, "category": "instruction following"},
        {**asked, **prediction, "choices": None},
        {**asked, **prediction, "choices": ["Rain."]},
    ):
        assert exact_text.outcomes([left_out]) == [None]
    with pytest.raises(ScoringError, match="record 1: answer must be text; got null"):
        exact_text.outcomes([{**asked, **prediction, "answer": None}])
    with pytest.raises(ScoringError, match="record 1: model_output must be text; got a list"):
        exact_text.outcomes([{**asked, "model_output": ["rain"]}])


@pytest.mark.parametrize(("name", "case"), parts("cases"))
def test_only_tasks_that_say_so_look_back(name: str, case: dict[str, Any], tmp_path: Path) -> None:
    """A run scores each answer by itself, except in a task that looks back."""
    task = TASKS[name]
    records = read(name, write(case, tmp_path)).records
    if not task.looks_back:
        assert task.outcomes(records) == [task.outcomes([own])[0] for own in records]
