"""Preparing ahead of the model: in order, not too far, in threads and in processes."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from collections.abc import Iterator
from typing import Any

import pytest
import torch

from mata_audio.errors import RunError
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.results.results import ClipHeard
from mata_audio.evaluation.running import ahead as preparing
from mata_audio.evaluation.running.ahead import ahead, in_processes, prepared_ahead
from mata_audio.evaluation.running.prepare import FailedItem, Prepared, by_clips

forks = pytest.mark.skipif(sys.platform != "linux", reason="processes are forked on Linux only")


class Clip:
    """A source of nothing, with a name."""

    def __init__(self, name: str) -> None:
        self.name = self.place = name

    def read(self) -> bytes:
        raise AssertionError

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Clip) and other.name == self.name

    def __hash__(self) -> int:
        return hash(self.name)


def items(count: int, clips: int = 1000) -> list[Item]:
    return [Item(str(n), (Clip(str(n % clips)),), "q", (), None) for n in range(count)]


class Preparing:
    """Says in which process it ran; items of number 7 fail."""

    def __init__(self, ends_at: str | None = None) -> None:
        self.ends_at = ends_at
        self.clips: list[str] = []

    def __call__(self, item: Item) -> Prepared | FailedItem:
        if item.id == self.ends_at:
            os.kill(os.getpid(), signal.SIGKILL)
        if item.id == "7":
            return FailedItem(item, "it is the seventh")
        self.clips.append(item.audio[0].name)
        inputs = {
            "input_ids": torch.full((1, 3), int(item.id)),
            "process": torch.tensor([os.getpid()]),
            "made": torch.tensor([self.clips.count(item.audio[0].name)]),
        }
        heard = (ClipHeard(item.id, 1.0, 1.0, "", "0" * 64),)
        return Prepared(item, inputs, heard, {"silence": {"x": torch.ones(1, 2)}})


def test_ahead_keeps_the_order_and_its_distance() -> None:
    running, most = [0], [0]
    lock = threading.Lock()

    def work(value: int) -> int:
        with lock:
            running[0] += 1
            most[0] = max(most[0], running[0])
        time.sleep(0.001 * (value % 3))
        with lock:
            running[0] -= 1
        return value

    started: list[int] = []

    def values() -> Iterator[int]:
        for value in range(50):
            started.append(value)
            yield value

    results = ahead(work, values(), workers=3, window=5)
    assert next(results) == 0
    assert len(started) <= 6
    assert list(results) == [*range(1, 50)]
    assert most[0] <= 3


@forks
def test_processes_keep_the_order_and_everything_prepared() -> None:
    given = items(30)
    here: Any = Preparing()
    drawn = torch.random.get_rng_state()
    found = list(in_processes(here, given, workers=2, window=8))
    assert [own.item for own in found] == given
    assert [own.item.id for own in found if isinstance(own, FailedItem)] == ["7"]
    assert torch.equal(torch.random.get_rng_state(), drawn)
    processes = set()
    for own in found:
        if isinstance(own, Prepared):
            expected = here(own.item)
            assert own.inputs["input_ids"].tolist() == expected.inputs["input_ids"].tolist()
            assert own.clips == expected.clips
            assert own.others["silence"]["x"].tolist() == [[1.0, 1.0]]
            processes.add(int(own.inputs["process"]))
    assert len(processes) == 2
    assert os.getpid() not in processes


@forks
def test_a_process_that_is_killed_is_an_error() -> None:
    dying: Any = Preparing(ends_at="20")
    with pytest.raises(RunError, match=r"a process that prepares clips ended .* fewer --workers"):
        list(in_processes(dying, items(30), workers=2, window=4))


@forks
def test_items_with_the_same_clips_go_to_one_process() -> None:
    given = by_clips(items(12, clips=4))
    assert [own.audio[0].name for own in given] == [*"000111222333"]
    assert [own.id for own in given][:3] == ["0", "4", "8"]
    prepare: Any = Preparing()
    found = [own for own in in_processes(prepare, given, 2, 9) if isinstance(own, Prepared)]
    by_clip = {own.item.audio[0].name: int(own.inputs["process"]) for own in found}
    assert all(by_clip[own.item.audio[0].name] == int(own.inputs["process"]) for own in found)
    assert [int(own.inputs["made"]) for own in found if own.item.audio[0].name == "0"] == [1, 2, 3]


@forks
@pytest.mark.parametrize("worth", [0.0, 1e9])
def test_processes_start_when_they_are_worth_it(
    worth: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(preparing, "WORTH_PROCESSES", worth)
    prepare: Any = Preparing()
    found = list(prepared_ahead(prepare, items(20), workers=2, window=4))
    assert [own.item.id for own in found] == [str(n) for n in range(20)]
    processes = {int(own.inputs["process"]) for own in found if isinstance(own, Prepared)}
    assert len(processes) == (3 if worth == 0 else 1)  # the first items are prepared here


@forks
def test_the_processes_end_with_their_reader() -> None:
    prepare: Any = Preparing()
    reading = in_processes(prepare, items(200), workers=2, window=4)
    process = int(next(reading).inputs["process"])  # type: ignore[union-attr]
    reading.close()
    for _ in range(100):
        if not os.path.exists(f"/proc/{process}"):
            return
        time.sleep(0.1)
    pytest.fail("a process still runs")
