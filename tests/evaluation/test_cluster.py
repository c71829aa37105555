"""Runs on real actors of a Ray cluster end with the files of a single process."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
import torch
from small_cluster import LEAST_STORE, assert_same, cluster, kill, workers, write_questions

from mata_audio import MATA
from mata_audio.errors import AudioError, RunError, SettingsError
from mata_audio.evaluation import NamedSetting, Progress, evaluate
from mata_audio.evaluation.choosing import choose
from mata_audio.evaluation.cluster.ray_executor import RayExecutor
from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.plan import Options, Plan, make_plan
from mata_audio.methods import METHODS
from mata_audio.models.loading import load
from mata_audio.storage.run_folder import RunFolder

ray = pytest.importorskip("ray", reason="needs Ray: pip install 'mata-audio[ray]'")
pytest.importorskip("ray.data", reason="needs Ray Data: pip install 'mata-audio[ray]'")

SETTINGS = (
    NamedSetting("two", MATA(alpha=2, layers="0-1")),
    NamedSetting("all rows", MATA(alpha=1, layers="0-1", rows="all")),
    NamedSetting("second prompt", METHODS["aad"]()),
)
OPTIONS: dict[str, Any] = {
    "settings": SETTINGS,
    "batch_size": 4,
    "batching": "padded",
    "max_new_tokens": 4,
    "workers": 2,
    "device": "cpu",
}
COUNT, BROKEN = 40, (3, 17)
TWO = RayExecutor(actors=2)


@pytest.fixture
def long(request: pytest.FixtureRequest) -> None:
    """Only with ``--ray``, as ``make test-ray`` gives it."""
    if not request.config.getoption("--ray"):
        pytest.skip("takes long: make test-ray")


@pytest.fixture(scope="module", autouse=True)
def running() -> Iterator[str]:
    with cluster() as address:
        yield address


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_questions(tmp_path_factory.mktemp("data") / "questions", COUNT, BROKEN)


@pytest.fixture(scope="module")
def model(qwen2_audio_folder: Path) -> Path:
    """A small random model, whose batches of other sizes differ in the last digits."""
    return qwen2_audio_folder


@pytest.fixture(scope="module")
def whole(model: Path, questions: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The run of a single process."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    evaluate(model, "jsonl", folder, data=questions, **OPTIONS)
    return folder


def test_an_actor_is_killed_amid_uneven_clips_and_broken_ones(
    model: Path,
    questions: Path,
    whole: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    killed: list[int] = []
    seen: list[tuple[int, int]] = []

    def report(progress: Progress) -> None:
        seen.append((progress.done, progress.batches))
        if progress.batches == 2:
            killed.extend(workers("MapWorker(Map(Actor))")[:1])
            kill(killed[0])

    evaluate(
        model, "jsonl", tmp_path / "run", data=questions, report=report, executor=TWO, **OPTIONS
    )
    assert len(killed) == 1
    assert not Path(f"/proc/{killed[0]}").exists()
    assert seen[-1][0] == COUNT
    assert_same(tmp_path / "run", whole)
    assert capsys.readouterr().out == ""  # which is for results


@pytest.mark.usefixtures("long")
def test_receipts_and_progress_are_those_of_a_single_process(
    model: Path, questions: Path, tmp_path: Path
) -> None:
    found: dict[str, Progress] = {}

    def told(name: str) -> Any:
        return lambda progress: found.update({name: progress})

    for name, executor in (("here", None), ("ray", TWO)):
        out = tmp_path / name
        more = {"data": questions, "limit": 16, "report": told(name)}
        evaluate(model, "jsonl", out, executor=executor, **more, **OPTIONS)
    here, there = found["here"], found["ray"]
    for field in ("done", "failed", "batches", "prompt_tokens", "slots", "correct", "scored"):
        assert getattr(there, field) == getattr(here, field), field
    assert there.receipts.keys() == here.receipts.keys() != set()
    for name, receipt in here.receipts.items():
        own = there.receipts[name]
        assert (own.active_rows, own.forward_passes) == (
            receipt.active_rows,
            receipt.forward_passes,
        )
        assert sorted(own.audio_tokens) == sorted(receipt.audio_tokens)
        assert own.mass_after == pytest.approx(receipt.mass_after)


@pytest.mark.usefixtures("long")
def test_the_object_store_is_full(
    model: Path, questions: Path, whole: Path, tmp_path: Path
) -> None:
    """What is in it goes to disk and comes back."""
    held: list[Any] = []
    spilled: list[bool] = []

    def report(progress: Progress) -> None:
        if not held:
            half = torch.zeros(LEAST_STORE // 2, dtype=torch.uint8).numpy()
            held.extend(ray.put(half + number) for number in range(4))  # twice what there is
        node = ray._private.worker._global_node
        spilled.append(any(Path(node.get_session_dir_path()).glob("ray_spilled_objects*/*")))

    evaluate(
        model, "jsonl", tmp_path / "run", data=questions, report=report, executor=TWO, **OPTIONS
    )
    assert any(spilled)
    assert [int(ray.get(own)[0]) for own in held] == [0, 1, 2, 3]
    assert_same(tmp_path / "run", whole)


@pytest.mark.usefixtures("long")
def test_too_many_errors_stop_it_and_mended_clips_complete_it(model: Path, tmp_path: Path) -> None:
    data = write_questions(tmp_path / "data", 12, broken=(1, 5, 9))
    sound = (tmp_path / "data" / "clip-0.wav").read_bytes()
    for name, executor in (("here", None), ("ray", TWO)):
        for number in (1, 5, 9):
            (tmp_path / "data" / f"clip-{number}.wav").write_bytes(b"not a sound")
        out = tmp_path / name
        more: dict[str, Any] = {**OPTIONS, "data": data, "executor": executor}
        with pytest.raises(RunError, match="3 items failed, more than --max-errors 2"):
            evaluate(model, "jsonl", out, max_errors=2, **more)
        for number in (1, 5, 9):
            (tmp_path / "data" / f"clip-{number}.wav").write_bytes(sound)
        evaluate(model, "jsonl", out, max_errors=2, retry_errors=True, **more)
        assert not (out / "batches.json").exists()
    for name in ("results.csv", "predictions/two.json"):
        assert (tmp_path / "ray" / name).read_bytes() == (tmp_path / "here" / name).read_bytes()


@pytest.mark.usefixtures("long")
def test_choosing_and_its_sweep_end_with_the_same_files(tmp_path: Path) -> None:
    """The evidence is measured here; the sweep runs on the actors."""
    more: dict[str, Any] = {"split": "tune", "limit": 40, "workers": 2, "device": "cpu"}
    found = {}
    for name, executor in (("here", None), ("ray", TWO)):
        out = tmp_path / name
        found[name] = choose(
            "tiny", "tiny", out, "profile", alphas=[0.5, 2.0], executor=executor, **more
        )
    assert {"evidence.json", "sweep.json"} <= {path.name for path in (tmp_path / "ray").iterdir()}
    assert found["ray"] == found["here"]
    assert_same(tmp_path / "ray", tmp_path / "here")


class Deadly(Item):
    """An item that ends every process of a kind that touches its id."""

    def __getattribute__(self, name: str) -> Any:
        own = super().__getattribute__(name)
        if name == "id":
            title = Path("/proc/self/cmdline").read_bytes()
            if title.startswith(super().__getattribute__("question").split()[0].encode()):
                os.kill(os.getpid(), signal.SIGKILL)
        return own


@pytest.mark.usefixtures("long")
@pytest.mark.parametrize("title", ["ray::MapWorker(Map(Actor))", "ray::Map(measure)"])
def test_an_item_that_always_ends_its_process_fails_and_no_other_does(
    model: Path, questions: Path, tmp_path: Path, title: str
) -> None:
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    plan = plan_of(model, questions, limit=10)
    items = list(plan.items)
    items[6] = Deadly(**{**vars(items[6]), "question": f"{title} kills"})
    out = tmp_path / "run"
    results = run_plan(replace(plan, items=tuple(items)), RunFolder(out), lambda _: None, TWO)
    failed = {item.id: item.error for item in results.items if item.error}
    assert failed.keys() == {"q3", "q6"}
    assert "ended 3 times" in failed["q6"]
    assert sum(bool(item.answers) for item in results.items) == 8


@dataclass(frozen=True)
class OnlyHere:
    """A clip that one process can read, and no other."""

    path: Path
    process: int
    name: str = "clip"
    place: str = ""

    def read(self) -> bytes:
        if os.getpid() != self.process:
            raise AudioError(f"no such audio file: {self.path}")
        return self.path.read_bytes()


@pytest.mark.usefixtures("long")
def test_a_machine_that_cannot_read_what_this_one_can_stops_the_run(
    model: Path, questions: Path, tmp_path: Path
) -> None:
    ray.cloudpickle.register_pickle_by_value(__import__(__name__))
    plan = plan_of(model, questions, limit=8)
    items = list(plan.items)
    items[6] = replace(items[6], audio=(OnlyHere(questions.parent / "clip-6.wav", os.getpid()),))
    out = tmp_path / "run"
    with pytest.raises(RunError, match=r"cannot prepare item 'q6', and this one can: .*no such"):
        run_plan(replace(plan, items=tuple(items)), RunFolder(out), lambda _: None, TWO)
    assert not (out / "items.jsonl").exists()


@pytest.mark.usefixtures("long")
def test_a_machine_that_would_answer_differently_is_refused(model: Path, questions: Path) -> None:
    from mata_audio.evaluation.cluster.job import Job
    from mata_audio.evaluation.cluster.working import Actor, Seen, look

    threads = torch.get_num_threads()
    job = Job(plan_of(model, questions), os.getcwd(), threads, 0)
    seen = look(job)
    assert isinstance(seen, Seen)
    same = dict(seen.described.identity)
    assert Actor(ray.put(replace(job, identity=same)), None)._refusal is None
    other = {**same, "versions": {**same["versions"], "torch": "1.0"}}
    refusal = Actor(ray.put(replace(job, identity=other)), None)._refusal
    assert refusal is not None
    assert 'versions.torch was "1.0"' in str(refusal.raised())


@pytest.mark.usefixtures("long")
def test_an_interrupt_stops_it_and_it_resumes(
    model: Path, questions: Path, whole: Path, tmp_path: Path
) -> None:
    out = tmp_path / "run"

    def report(progress: Progress) -> None:
        if progress.batches == 3:
            raise KeyboardInterrupt

    more: dict[str, Any] = {"data": questions, "executor": TWO, **OPTIONS}
    with pytest.raises(KeyboardInterrupt):
        evaluate(model, "jsonl", out, report=report, **more)
    assert (out / "batches.json").exists()
    deadline = time.monotonic() + 60
    while workers("MapWorker") and time.monotonic() < deadline:
        time.sleep(0.5)
    assert workers("MapWorker") == []
    evaluate(model, "jsonl", out, data=questions, **OPTIONS)  # a single process goes on as well
    assert_same(out, whole)


def plan_of(model: Path, questions: Path, **more: Any) -> Plan:
    options = {name: value for name, value in OPTIONS.items() if name != "settings"}
    return make_plan(model, "jsonl", questions, SETTINGS, Options(**options, **more))


def test_what_cannot_be_is_refused(model: Path, questions: Path, tmp_path: Path) -> None:
    refused: list[tuple[Any, RayExecutor, str]] = [
        (load("tiny", device="cpu"), TWO, "loaded model cannot be sent"),
        ("tiny", RayExecutor(actors=8), "do not fit a cluster with 8 CPUs"),
        ("tiny", RayExecutor(actors=3, gpus_per_actor=0.5), "with 0 GPUs"),
    ]
    for given, executor, said in refused:
        with pytest.raises(SettingsError, match=said):
            evaluate(given, "tiny", tmp_path / "run", limit=4, executor=executor)
    for wrong in ({"actors": 0}, {"gpus_per_actor": 1.5}, {"gpus_per_actor": -1}):
        with pytest.raises(SettingsError):
            RayExecutor(**wrong)  # type: ignore[arg-type]
    assert not (tmp_path / "run").exists()
