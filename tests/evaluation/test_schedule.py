"""Batches that are answered in another order, and stopped, end in the order of a single process."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from small_cluster import assert_same

from mata_audio import MATA
from mata_audio.errors import RunError
from mata_audio.evaluation import NamedSetting, evaluate
from mata_audio.evaluation.running.answering import Answerer
from mata_audio.evaluation.running.executor import LocalExecutor, Session
from mata_audio.evaluation.running.grouping import batches_of
from mata_audio.evaluation.running.plan import Plan
from mata_audio.evaluation.running.prepare import Prepared, preparer_of
from mata_audio.evaluation.running.recorder import Recorder
from mata_audio.evaluation.running.schedule import Schedule, Step, schedule_of
from mata_audio.models.loading import Loaded
from mata_audio.storage.items_file import ItemStore
from mata_audio.storage.run_folder import RunFolder

OPTIONS: dict[str, Any] = {
    "settings": [NamedSetting("two", MATA(alpha=2, layers="3-7"))],
    "limit": 22,
    "batch_size": 3,
    "batching": "padded",
    "max_new_tokens": 4,
    "device": "cpu",
}


@dataclass(frozen=True)
class Backwards:
    """Answers the last batch first, in this process, and stops after some.

    Args:
        after: batches until a session stops.
    """

    after: int

    @contextmanager
    def opened(self, plan: Plan) -> Iterator[Session]:
        with LocalExecutor().opened(plan) as session:
            yield _Backwards(plan, session, self.after)  # type: ignore[arg-type]


class _Backwards:
    def __init__(self, plan: Plan, local: Session, after: int) -> None:
        self.plan, self.after = plan, after
        self.model, self.described, self.limit = local.model, local.described, local.limit

    def run(self, recorder: Recorder, folder: RunFolder) -> None:
        assert isinstance(self.model, Loaded)
        prepare = preparer_of(self.plan, self.model)
        made = {}
        for id, item in recorder.pending.items():
            made[id] = prepare(item)
            assert isinstance(made[id], Prepared)
        schedule = schedule_of(folder, recorder)
        if schedule is None:
            batching, limit = self.plan.batching, lambda: self.limit
            found = batches_of(made.values(), batching, limit, recorder.before)  # type: ignore[type-var]
            steps = [Step(tuple(own.item.id for own in batch)) for batch in found]
            schedule = Schedule(recorder.store.written, tuple(steps))
            schedule.save(folder)
        answer = Answerer(self.plan, self.model, self.limit)
        for number, step in enumerate(reversed(schedule.left(recorder))):
            if number == self.after:
                raise KeyboardInterrupt
            recorder.save(answer([made[id] for id in step.ids]))  # type: ignore[misc]
        schedule.settle(folder, recorder.store)


def ids(folder: Path) -> list[str]:
    return [*ItemStore(folder / "items.jsonl").lines]


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("whole") / "run"
    evaluate("tiny", "tiny", folder, **OPTIONS)
    return folder


@pytest.mark.parametrize("before", [0, 2], ids=["from the start", "after a stopped single process"])
@pytest.mark.parametrize("last", [None, Backwards(99)], ids=["in order", "backwards"])
def test_it_stops_twice_and_ends_as_if_nothing_had_happened(
    whole: Path, tmp_path: Path, last: Backwards | None, before: int
) -> None:
    out = tmp_path / "run"
    stopped = 0

    def stop(progress: Any) -> None:
        if progress.batches == before:
            raise KeyboardInterrupt

    if before:
        with pytest.raises(KeyboardInterrupt):
            evaluate("tiny", "tiny", out, report=stop, **OPTIONS)
        stopped = len(ids(out))
        assert stopped == 6
    for _ in range(2):
        with pytest.raises(KeyboardInterrupt):
            evaluate("tiny", "tiny", out, executor=Backwards(2), **OPTIONS)
    there = ids(out)
    assert there[stopped:] != ids(whole)[stopped : len(there)]  # not in order yet
    assert (out / "batches.json").exists()
    evaluate("tiny", "tiny", out, executor=last, **OPTIONS)
    assert_same(out, whole)
    sittings = json.loads((out / "run.json").read_text(encoding="utf-8"))["sittings"]
    assert sum(sitting["items"] for sitting in sittings) == OPTIONS["limit"]


def test_more_items_are_wanted_than_were_scheduled(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        evaluate("tiny", "tiny", out, executor=Backwards(2), **{**OPTIONS, "limit": 12})
    first = ids(out)
    evaluate("tiny", "tiny", out, executor=Backwards(99), **OPTIONS)
    assert sorted(ids(out)[: len(first)]) == sorted(first)
    assert len(ids(out)) == len(set(ids(out))) == OPTIONS["limit"]
    assert not (out / "batches.json").exists()


def test_a_damaged_schedule_is_refused(tmp_path: Path) -> None:
    out = tmp_path / "run"
    with pytest.raises(KeyboardInterrupt):
        evaluate("tiny", "tiny", out, executor=Backwards(1), **OPTIONS)
    (out / "batches.json").write_text('{"start": 0}')
    with pytest.raises(RunError, match=r"batches\.json is damaged"):
        evaluate("tiny", "tiny", out, **OPTIONS)


def test_batches_keep_their_lines_and_a_torn_one_goes(tmp_path: Path) -> None:
    file = tmp_path / "items.jsonl"
    store = ItemStore(file)
    for batch in (["a"], ["d", "e"], ["b", "c"]):
        store.append([{"id": id} for id in batch])
    lines = file.read_bytes().splitlines()
    with file.open("ab") as stream:
        stream.write(b'{"id": "torn"')
    store = ItemStore(file)
    store.put_in_order(1, {"b": 0, "c": 0, "d": 1, "e": 1})
    assert file.read_bytes().splitlines() == [lines[0], *lines[3:], *lines[1:3]]
    assert [*store.lines] == ["a", "b", "c", "d", "e"]
    store.append([{"id": "f"}])
    assert ids(tmp_path) == ["a", "b", "c", "d", "e", "f"]
