"""A killed run resumes, recomputes at most one batch, and ends as if nothing had happened."""

from __future__ import annotations

import json
import os
import signal
from pathlib import Path

import pytest
from forking import forking

from mata_audio.evaluation import evaluate
from mata_audio.storage.items_file import ItemStore

ITEMS, BATCH = 48, 4


def command(out: Path) -> list[str]:
    options = f"--items {ITEMS} --batch-size {BATCH} --batching padded --alpha 2 --layers 3-7"
    return ["eval", "tiny", "--task", "tiny", "--out", str(out), *options.split()]


def finished(out: Path) -> list[str]:
    """Return the ids of the whole batches on disk."""
    return [*ItemStore(out / "items.jsonl").lines]


@pytest.mark.skipif(not hasattr(os, "fork"), reason="forks")
def test_sigkill_at_any_moment(tmp_path: Path) -> None:
    out, whole = tmp_path / "killed", tmp_path / "whole"
    with forking(tmp_path) as mata:
        killed = mata.run(command(out), lambda: len(finished(out)) >= 1)
        first = finished(out)
        assert 1 <= len(first) < ITEMS
        again = mata.run(command(out), lambda: len(finished(out)) >= len(first) + 9)
        second = finished(out)
        assert (killed.code, again.code) == (-signal.SIGKILL, -signal.SIGKILL)
        assert second[: len(first)] == first
        with (out / "items.jsonl").open("ab") as stream:
            stream.write(b'{"id": "torn", "answers": {"basel')
        done = mata.run(command(out))
        assert done.code == 0, done.err
        assert "all" in done.out
        assert mata.run(command(whole)).code == 0
    ids = finished(out)
    assert ids[: len(second)] == second
    assert len(ids) == len(set(ids)) == ITEMS  # nothing already on disk was computed again

    sittings = json.loads((out / "run.json").read_text())["sittings"]
    by_sitting = [len(first), len(second) - len(first), ITEMS - len(second)]
    assert [sitting["items"] for sitting in sittings] == by_sitting
    assert all({"started", "device", "versions", "git"} <= set(sitting) for sitting in sittings)

    settings = json.loads((out / "run.json").read_text())["identity"]["settings"]
    assert settings["MATA"]["method"]["alpha"] == 2
    for name in ("items.jsonl", "results.json", "results.md", "results.tex", "results.csv"):
        assert (out / name).read_bytes() == (whole / name).read_bytes()
    for file in (whole / "predictions").iterdir():
        assert (out / "predictions" / file.name).read_bytes() == file.read_bytes()


def test_a_run_killed_before_its_first_item(tmp_path: Path) -> None:
    """Only run.json exists."""
    evaluate("tiny", "tiny", tmp_path / "run", limit=1)
    whole = (tmp_path / "run" / "results.json").read_bytes()
    for path in (tmp_path / "run").iterdir():
        if path.is_file() and path.name != "run.json":
            path.unlink()
    evaluate("tiny", "tiny", tmp_path / "run", limit=1)
    assert (tmp_path / "run" / "results.json").read_bytes() == whole
