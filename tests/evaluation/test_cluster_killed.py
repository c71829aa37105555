"""A run on a cluster whose driver is killed resumes, with the files of a single process."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from killing import KILLED
from small_cluster import answered, assert_same, cluster, write_questions

from mata_audio.evaluation import evaluate

pytest.importorskip("ray.data", reason="needs Ray Data: pip install 'mata-audio[ray]'")

COUNT, BROKEN = 32, (3, 17)
SCRIPT = Path(__file__).with_name("dying_driver.py")


@pytest.fixture(scope="module", autouse=True)
def long(request: pytest.FixtureRequest) -> None:
    """Only with ``--ray``, as ``make test-ray`` gives it."""
    if not request.config.getoption("--ray"):
        pytest.skip("takes long: make test-ray")


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    with cluster() as found:
        yield found


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("data") / "questions", COUNT, BROKEN)


@pytest.fixture(scope="module")
def whole(
    qwen2_audio_folder: Path, questions: Path, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """The run of a single process."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    options = {"batch_size": 4, "batching": "padded", "max_new_tokens": 4, "workers": 2}
    evaluate(qwen2_audio_folder, "jsonl", folder, data=questions, device="cpu", **options)
    return folder


def driver(
    out: Path, address: str, where: str, number: int, questions: Path, model: Path
) -> list[str]:
    parts = [str(SCRIPT), str(out), address, where, str(number), str(questions), str(model)]
    return [sys.executable, *parts]


def run(command: list[str], kill_when: Callable[[], bool] | None = None) -> tuple[int, str]:
    """Run a driver, and kill only its own process once it is time."""
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    deadline = time.monotonic() + 240
    while kill_when is not None and process.poll() is None and not kill_when():
        assert time.monotonic() < deadline
        time.sleep(0.002)
    if kill_when is not None:
        assert process.poll() is None, process.communicate()
        os.kill(process.pid, signal.SIGKILL)
    out, err = process.communicate(timeout=300)
    return process.returncode, out + err


def test_the_driver_is_killed_twice(
    address: str, qwen2_audio_folder: Path, questions: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"
    command = driver(out, address, "", 0, questions, qwen2_audio_folder)
    code, said = run(command, lambda: len(answered(out)) >= len(BROKEN) + 4)
    assert code == -signal.SIGKILL, said
    first = answered(out)
    assert len(first) < COUNT
    assert (out / "batches.json").exists()
    code, said = run(command, lambda: len(answered(out)) > len(first))
    assert code == -signal.SIGKILL, said
    second = answered(out)
    assert second[: len(first)] == first
    assert len(second) < COUNT
    code, said = run(command)
    assert code == 0, said
    assert_same(out, whole)
    sittings = json.loads((out / "run.json").read_text(encoding="utf-8"))["sittings"]
    done = [len(first), len(second) - len(first), COUNT - len(second)]
    assert [sitting["items"] for sitting in sittings] == done


def test_the_driver_dies_again_and_again_while_it_writes(
    address: str, qwen2_audio_folder: Path, questions: Path, whole: Path, tmp_path: Path
) -> None:
    """Each start resumes what the one before left, and dies at a later write."""
    out = tmp_path / "run"
    for where, number in (
        ("amid or after writing .batches.json", 1),
        ("before os.rename .batches.json", 1),
        ("amid or after writing items.jsonl", 1),
        ("amid or after writing items.jsonl", 6),
        ("amid or after writing .items.jsonl", 1),
        ("before os.rename .items.jsonl", 1),
        ("before os.remove batches.json", 1),
        ("", 0),
    ):
        code, said = run(driver(out, address, where, number, questions, qwen2_audio_folder))
        assert code == (KILLED if number else 0), (where, said)
        assert where in said
    assert_same(out, whole)
