"""A run's folder: what killed processes leave, damaged fields, and disks that are full."""

from __future__ import annotations

import errno
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from forking import forking
from small_runs import ITEMS, SETTINGS

from mata_audio.errors import RunError, WriteError
from mata_audio.evaluation import Results, evaluate, load_results
from mata_audio.evaluation.results.stored_run import open_run, rescore
from mata_audio.storage import environment
from mata_audio.storage import file_digests as digests
from mata_audio.storage.atomic_file import remove_leftovers, write_atomically
from mata_audio.storage.run_folder import RunFolder

Run = tuple[Path, Results]

ENDED = "import os; print(os.getpid())"


@pytest.fixture(scope="module")
def ended() -> int:
    """The number of a process that has ended."""
    return int(subprocess.run([sys.executable, "-c", ENDED], capture_output=True).stdout)


@pytest.fixture
def copy(tiny_run: Run, tmp_path: Path) -> Path:
    """A copy of the shared run's folder."""
    return shutil.copytree(tiny_run[0], tmp_path / "copy")


@pytest.mark.parametrize("name", ["run.json", "evidence.json"])
def test_a_first_write_that_was_killed_is_no_other_run(
    tmp_path: Path, ended: int, name: str
) -> None:
    run = partial(evaluate, "tiny", "tiny", tmp_path / "run", settings=[], limit=1)
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / f".{name}.{ended}.tmp").write_text('{"forma')
    (tmp_path / "run" / ".lock").touch()
    run()
    assert not [*(tmp_path / "run").glob(".*.tmp")]
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / f".thesis.tex.{ended}.tmp").touch()
    with pytest.raises(RunError, match="neither a run nor empty"):
        evaluate("tiny", "tiny", tmp_path / "mine", limit=1)


def test_leftovers_go_and_files_of_running_processes_stay(tmp_path: Path, ended: int) -> None:
    stays = [f".a.json.{os.getppid()}.tmp", ".a.json.x.tmp", "a.json.1.tmp", ".a.json"]
    goes = [f".a.json.{ended}.tmp", f".a.json.{os.getpid()}.tmp"]
    other = f".b.json.{ended}.tmp"
    for name in (*stays, *goes, other):
        (tmp_path / name).touch()
    write_atomically(tmp_path / "a.json", "{}")
    assert {path.name for path in tmp_path.iterdir()} == {*stays, other, "a.json"}
    remove_leftovers(tmp_path)
    assert {path.name for path in tmp_path.iterdir()} == {*stays, "a.json"}


REQUIRED = [
    "identity",
    "identity.model",
    "identity.task",
    "identity.split",
    "identity.data",
    "identity.settings",
    "identity.settings.MATA.method",
    "identity.settings.MATA.tuned_on",
    "facts",
    "facts.title",
    "facts.data",
    "facts.reader",
    "facts.settings",
    "facts.settings.MATA",
    "sittings",
]


def _damaged(folder: Path, field: str, change: Callable[[dict[str, Any], str], None]) -> None:
    path = folder / "run.json"
    data = json.loads(path.read_text())
    *parents, last = field.split(".")
    inner = data
    for key in parents:
        inner = inner[key]
    change(inner, last)
    path.write_text(json.dumps(data))


def _assert_refused(run: Path, said: str, read: Callable[[Path], object]) -> None:
    """Check that resuming, rescoring and ``read`` refuse a run and say why."""
    resume = partial(evaluate, "tiny", "tiny", run, settings=SETTINGS, limit=ITEMS)
    for use in (resume, partial(read, run), partial(rescore, run, "whole")):
        with pytest.raises(RunError, match=said):
            use()


@pytest.mark.parametrize("field", REQUIRED)
@pytest.mark.parametrize("kind", ["missing", "another kind"])
def test_a_damaged_field_is_named(copy: Path, field: str, kind: str) -> None:
    def change(inner: dict[str, Any], key: str) -> None:
        if kind == "missing":
            del inner[key]
        else:
            inner[key] = 1.5

    _damaged(copy, field, change)
    said = rf"run\.json is damaged, as its field {field} (is missing|must be .*, but is a number)"
    _assert_refused(copy, said, open_run)


def test_a_stored_setting_that_is_none_is_named(copy: Path) -> None:
    def change(inner: dict[str, Any], key: str) -> None:
        inner[key]["alpha"] = "much"

    _damaged(copy, "identity.settings.MATA.method", change)
    with pytest.raises(RunError, match=r"identity\.settings\.MATA\.method is no setting"):
        open_run(copy)


def test_a_missing_field_of_results_is_named(copy: Path) -> None:
    path = copy / "results.json"
    data = json.loads(path.read_text())
    del data["overall"]
    path.write_text(json.dumps(data))
    with pytest.raises(RunError, match="field 'overall' is missing"):
        load_results(copy)


def test_edited_answers_are_noticed_wherever_a_run_is_read(copy: Path) -> None:
    path = copy / "items.jsonl"
    lines = path.read_text().splitlines(keepends=True)
    answer = json.loads(lines[4])["answers"]["MATA"]
    lines[4] = lines[4].replace(json.dumps(answer), '"edited"')
    path.write_text("".join(lines))
    said = r"line 5 of .*items\.jsonl \(item '.*'\) was changed"
    _assert_refused(copy, said, load_results)


def test_results_that_are_not_those_of_the_answers_are_refused(copy: Path) -> None:
    path = copy / "results.json"
    data = json.loads(path.read_text())
    data["items"][3]["answers"]["MATA"]["raw"] += "!"
    path.write_text(json.dumps(data))
    with pytest.raises(RunError, match=rf"item '{data['items'][3]['id']}' under MATA"):
        load_results(copy)
    rescore(copy, "whole")
    load_results(copy)


@pytest.mark.skipif(sys.platform != "linux", reason="needs RLIMIT_FSIZE")
def test_a_full_disk_is_named_and_the_run_goes_on_to_the_same_files(tmp_path: Path) -> None:
    """The disk is full amid a batch."""

    def command(out: Path) -> list[str]:
        return f"eval tiny --task tiny --items 32 --batch-size 4 --out {out}".split()

    out, expected = tmp_path / "run", tmp_path / "whole"
    with forking(tmp_path) as mata:
        assert mata.run(command(expected)).code == 0
        whole = (expected / "items.jsonl").read_bytes()
        lines = whole.splitlines(keepends=True)
        torn = next(n for n in range(16, 32) if json.loads(lines[n])["part"][0] > 1)
        short = len(b"".join(lines[:torn])) + 100
        failed = mata.run(command(out), most_bytes=short)
        assert failed.code == 1
        assert f"{out / 'items.jsonl'} cannot be written (File too large)" in failed.err
        assert "then give the same command again" in failed.err
        assert (out / "items.jsonl").read_bytes() == whole[:short]
        assert mata.run(command(out)).code == 0
    for name in ("items.jsonl", "results.csv", "results.md", "predictions/baseline.json"):
        assert (out / name).read_bytes() == (expected / name).read_bytes()


@pytest.mark.parametrize(
    ("code", "advice"),
    [
        (errno.ENOSPC, "free space on its disk"),
        (errno.EACCES, "allow writing"),
        (errno.EIO, "check its disk"),
    ],
)
def test_what_cannot_be_written_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, code: int, advice: str
) -> None:
    def fail(descriptor: int) -> None:
        raise OSError(code, os.strerror(code))

    write_atomically(tmp_path / "a.json", "before")
    monkeypatch.setattr(os, "fsync", fail)
    said = rf"a\.json cannot be written \({os.strerror(code)}\): .*{advice}"
    with pytest.raises(WriteError, match=said):
        write_atomically(tmp_path / "a.json", "after")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["before"]
    with pytest.raises(WriteError, match=r"items\.jsonl cannot be written"):
        RunFolder(tmp_path).store.append([{"id": "a"}])


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    tmp_path.chmod(0o500)
    with pytest.raises(WriteError, match="run cannot be written"):
        evaluate("tiny", "tiny", tmp_path / "run", limit=1)


@pytest.fixture
def read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> list[Path]:
    """The files that were really read; all count as large, and as settled."""
    read: list[Path] = []
    real = digests._digest

    def digest(path: Path) -> str:
        read.append(path)
        return real(path)

    monkeypatch.setattr(digests, "_digest", digest)
    monkeypatch.setattr(digests, "LEAST_REMEMBERED", 1)
    monkeypatch.setattr(digests, "_SETTLED_SECONDS", 0.0)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return read


def test_large_files_are_read_once_until_they_change(tmp_path: Path, read: list[Path]) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"1")
    two.write_bytes(b"2")
    time.sleep(0.02)
    first = digests.file_digests([one, two])
    assert digests.file_digests([two, one]) == first
    assert sorted(read) == [one, two]
    before = one.stat()
    one.write_bytes(b"3")
    os.utime(one, ns=(before.st_atime_ns, before.st_mtime_ns))  # as if it were the old one
    changed = digests.file_digests([one, two])
    assert read[2:] == [one]
    assert (changed[one] == first[one], changed[two] == first[two]) == (False, True)


def test_a_file_that_has_just_changed_is_not_remembered(
    tmp_path: Path, read: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(digests, "_SETTLED_SECONDS", 60.0)
    (tmp_path / "one").write_bytes(b"1")
    for _ in range(2):
        digests.file_digests([tmp_path / "one"])
    assert len(read) == 2


@pytest.mark.parametrize("memory", ["{", "[]", '{"a": 1}', None])
def test_a_damaged_memory_of_digests_is_made_again(
    tmp_path: Path, read: list[Path], memory: str | None
) -> None:
    cache = tmp_path / "cache" / "mata-audio"
    if memory is None:
        (tmp_path / "cache").write_text("no folder")
    else:
        cache.mkdir(parents=True)
        (cache / "file_digests.json").write_text(memory)
    (tmp_path / "one").write_bytes(b"1")
    time.sleep(0.02)
    assert digests.file_digests([tmp_path / "one"]) == digests.file_digests([tmp_path / "one"])
    assert len(read) == (2 if memory is None else 1)


def test_the_state_of_a_checkout_is_read_without_locking_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def git(*arguments: str) -> None:
        who = ("-c", "user.name=x", "-c", "user.email=x@example.org")
        subprocess.run(["git", "-C", str(tmp_path), *who, *arguments], check=True)

    file = tmp_path / "package" / "storage" / "environment.py"
    file.parent.mkdir(parents=True)
    file.write_text("1")
    git("init", "-q")
    git("add", ".")
    git("commit", "-q", "-m", "one")
    os.utime(file, (1, 1))  # as git would note in its index
    index = (tmp_path / ".git" / "index").read_bytes()
    monkeypatch.setattr(environment, "__file__", str(file))
    state = environment.git_state()
    assert state is not None
    assert (len(state["commit"]), state["modified"]) == (40, False)
    assert (tmp_path / ".git" / "index").read_bytes() == index
