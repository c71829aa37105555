"""What reaches a terminal: nothing that a model, a file or a user wrote can act on it."""

from __future__ import annotations

import ast
import io
import json
import warnings
from pathlib import Path
from unittest.mock import Mock

import pytest
from hypothesis import given
from hypothesis import strategies as st
from running import Mata

import mata_audio.cli
from mata_audio.cli.commands import info
from mata_audio.cli.main import main
from mata_audio.cli.terminal import plain, write
from mata_audio.errors import MataError, MataWarning
from mata_audio.evaluation.tasks import task_named
from mata_audio.tiny import TINY, make_items

ESCAPES = "\x1b[2J\x1b]0;title\x07\x9b31m\r\u202etext"
ACTING = {*ESCAPES} - {*"[2J]0;title31mtext"}
MODULES = sorted(Path(mata_audio.cli.__file__).parent.rglob("*.py"))


def is_plain(text: str) -> bool:
    return ACTING.isdisjoint(text.replace("\r\n", "\n"))


@given(text=st.text(), encoding=st.sampled_from(["utf-8", "ascii", "cp1252"]))
def test_any_text_can_be_written_and_nothing_acts(text: str, encoding: str) -> None:
    stream = io.TextIOWrapper(io.BytesIO(), encoding=encoding, newline="")
    write(plain(text), stream)
    stream.seek(0)
    written = stream.read()
    assert all(character in "\t\n" or ord(character) >= 32 for character in written)
    assert is_plain(written)
    assert plain(plain(text)) == plain(text)
    assert len(plain(text)) == len(text)


@given(text=st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cf", "Zl", "Zp"])))
def test_text_that_does_not_act_is_kept(text: str) -> None:
    assert plain(f"\t{text}\n") == f"\t{text}\n"


@pytest.mark.parametrize("path", MODULES, ids=lambda path: path.name)
def test_everything_is_written_through_one_place(path: Path) -> None:
    """``score`` alone writes to stdout itself: what official scripts print, to the byte."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    calls = [ast.unparse(node.func) for node in ast.walk(tree) if isinstance(node, ast.Call)]
    allowed = {"stream.write": "terminal.py", "sys.stdout.write": "score.py"}
    direct = [call for call in calls if call == "print" or call.endswith((".write", ".print_exc"))]
    assert [call for call in direct if allowed.get(call) != path.name] == []


def test_names_in_a_question_file_do_not_act(mata: Mata, tmp_path: Path) -> None:
    item = make_items("test", 1)[0]
    known = {"question": item.question, "choices": list(item.choices), "answer": item.answer}
    records = [
        {"id": f"{n}{ESCAPES}", "category": ESCAPES, "audio": f"{ESCAPES}.wav", **known}
        for n in "ab"
    ]
    clip = tmp_path / records[0]["audio"]
    clip.write_bytes(task_named(TINY).load(None, "test").items[0].audio[0].read())
    records[1]["audio"] = f"gone{ESCAPES}.wav"
    (tmp_path / "mine.jsonl").write_text("\n".join(map(json.dumps, records)))
    words = ["eval", TINY, "--task", "jsonl", "--data", tmp_path / "mine.jsonl"]
    run = tmp_path / "run"
    setting = ["--setting", f"{ESCAPES}: alpha=2 layers=3-7"]
    for outcome in (
        mata(*words, "--out", run, *setting),
        mata(*words, "--out", run, *setting, "--dry-run"),
        mata("compare", run, run),
        mata("rescore", run, "--reader", "whole"),
        mata("compare", f"{run}:{ESCAPES}", f"{run}:none{ESCAPES}"),
        mata("info", f"./{ESCAPES}"),
        mata("score", ESCAPES, "x"),
    ):
        assert outcome.out + outcome.err
        assert is_plain(outcome.out)
        assert is_plain(outcome.err)


@pytest.mark.parametrize("debug", [[], ["--debug"]])
def test_errors_and_warnings_do_not_act(
    mata: Mata, monkeypatch: pytest.MonkeyPatch, debug: list[str]
) -> None:
    def run(args: object) -> int:
        warnings.warn(f"see {ESCAPES}", MataWarning, stacklevel=1)
        raise MataError(f"no {ESCAPES}")

    monkeypatch.setattr(info, "run", run)
    outcome = mata(*debug, "info", TINY)
    assert outcome.code == 1
    assert is_plain(outcome.err)
    lines = outcome.err.splitlines()
    assert lines[0].startswith("mata: warning: see \ufffd[2J")
    assert lines[-1].startswith("mata: error: no \ufffd[2J")
    assert ("Traceback" in outcome.err) == bool(debug)


def test_official_output_is_plain_only_on_a_terminal(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    record = {"id": "1", "choice_a": "x", "answer_gt": "x", "response": f"oops {ESCAPES}"}
    scored = {**record, "response": "A", "category": "c", "sub-category": "s"}
    (tmp_path / "p.jsonl").write_text(f"{json.dumps(record)}\n{json.dumps(scored)}\n")
    assert main(["score", "mmsu", str(tmp_path / "p.jsonl")]) == 0
    exact = capsys.readouterr().out
    assert f"Wrong format response: oops {ESCAPES}\n" in exact
    monkeypatch.setattr("sys.stdout.isatty", Mock(return_value=True), raising=False)
    assert main(["score", "mmsu", str(tmp_path / "p.jsonl")]) == 0
    assert capsys.readouterr().out == plain(exact)
