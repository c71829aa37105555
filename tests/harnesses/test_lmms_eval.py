"""Our models in lmms-eval: its command line, its cache, and ``mata eval`` on the same questions."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import soundfile

from harnesses.lmms_task import LocalTask, answer_in, lmms_eval, write_task
from mata_audio import MATA, NoAudioError, SettingsError
from mata_audio.errors import RunError
from mata_audio.evaluation import evaluate
from mata_audio.methods import VCD, Mass, Method

pytest.importorskip("lmms_eval", reason="needs lmms-eval: make test-extras")

from lmms_eval import evaluator
from lmms_eval.api.instance import Instance
from lmms_eval.models.simple import qwen2_audio as theirs
from lmms_eval.tasks import TaskManager

from mata_audio.harnesses.lmms_eval.general import Mata
from mata_audio.harnesses.lmms_eval.model_args import read_model_args
from mata_audio.harnesses.lmms_eval.qwen2_audio import MataQwen2Audio

STRONG = MATA(alpha=3, layers="0-1", formula="add")
WORDS = "alpha=3,layers=0-1,formula=add"


@pytest.fixture(scope="module")
def task(tmp_path_factory: pytest.TempPathFactory) -> LocalTask:
    return write_task(tmp_path_factory.mktemp("task"))


@pytest.fixture(scope="module")
def two_clips(tmp_path_factory: pytest.TempPathFactory) -> LocalTask:
    return write_task(tmp_path_factory.mktemp("two-clips"), clips=2)


@pytest.fixture(scope="module")
def model(qwen2_audio_folder: Path) -> str:
    return str(qwen2_audio_folder)


def run(task: LocalTask, model: Any, arguments: str, **given: Any) -> list[str]:
    """Return the answers of lmms-eval in this process."""
    given = {"batch_size": 2, "device": "cpu", "log_samples": True, **given}
    found = evaluator.simple_evaluate(
        model=model,
        model_args=arguments,
        tasks=["mata_local"],
        task_manager=TaskManager(include_path=str(task.folder), include_defaults=False),
        bootstrap_iters=0,
        **given,
    )
    samples = sorted(found["samples"]["mata_local"], key=lambda sample: sample["doc_id"])
    return [answer_in(sample) for sample in samples]


def by_mata_eval(task: LocalTask, model: str, out: Path, method: Method | None) -> list[str]:
    """Return the answers of ``mata eval`` to the same prompts."""
    settings: Any = {"settings": []} if method is None else {"settings": method}
    options = {"template": "question", "max_new_tokens": 6, "device": "cpu"}
    results = evaluate(model, "jsonl", out, data=task.questions, **settings, **options)
    name = "baseline" if method is None else results.settings[1].name
    answers = {item.id: item.answers[name].raw for item in results.items}
    return [answers[id] for id in task.ids]


def their_own(monkeypatch: pytest.MonkeyPatch, model: str, **given: Any) -> Any:
    """lmms-eval's own Qwen2-Audio, on the CPU: its code names only GPUs."""
    load = theirs.Qwen2AudioForConditionalGeneration.from_pretrained

    def on_the_cpu(name: str, **options: Any) -> Any:
        return load(name, **{**options, "device_map": "cpu"})

    for name, value in (
        ("Qwen2AudioForConditionalGeneration", SimpleNamespace(from_pretrained=on_the_cpu)),
        ("torch", SimpleNamespace(device=lambda _: "cpu")),
    ):
        monkeypatch.setattr(theirs, name, value)
    return theirs.Qwen2_Audio(model, **given)


@pytest.mark.parametrize("name", ["mata_qwen2_audio", "mata"])
def test_the_command_line(name: str, task: LocalTask, model: str, tmp_path: Path) -> None:
    arguments = f"pretrained={model},{WORDS}"
    ran = lmms_eval(
        task, tmp_path, name, "--batch_size", "2", "--device", "cpu", arguments=arguments
    )
    assert ran.code == 0, ran.out
    assert ran.answers == by_mata_eval(task, model, tmp_path / "run", STRONG)
    assert ran.results["config"]["model_args"] == arguments
    assert "mata: alpha 3, layers 0-1, add" in ran.out
    assert "layers         0-1 (2 of 4)" in ran.out


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(
    ("words", "method"),
    [("", None), (WORDS, STRONG), ("method=mass,alpha=2,layers=0-1", Mass(alpha=2, layers="0-1"))],
    ids=["baseline", "strong", "mass"],
)
@pytest.mark.parametrize("name", ["mata_qwen2_audio", "mata"])
def test_answers_are_those_of_mata_eval(
    name: str,
    words: str,
    method: Method | None,
    batch: int,
    two_clips: LocalTask,
    model: str,
    tmp_path: Path,
) -> None:
    found = run(two_clips, name, f"pretrained={model},{words}".rstrip(","), batch_size=batch)
    assert found == by_mata_eval(two_clips, model, tmp_path / "run", method)
    assert len(set(found)) > 1


def test_the_settings_here_answer_differently(
    two_clips: LocalTask, model: str, tmp_path: Path
) -> None:
    """Else the test above would not see a setting that is ignored."""
    first, second = (
        by_mata_eval(two_clips, model, tmp_path / str(method), method) for method in (None, STRONG)
    )
    assert sum(one != other for one, other in zip(first, second, strict=True)) >= 4


@pytest.mark.parametrize("given", [{}, {"simple_prompt": True}], ids=str)
def test_without_a_setting_it_is_the_harness_own_model(
    given: dict[str, Any], task: LocalTask, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    ours = MataQwen2Audio(model, batch_size=3, device="cpu", **given)
    own = their_own(monkeypatch, model, batch_size=3, **given)
    for name in ("training", "dtype"):
        assert getattr(ours.model, name) == getattr(own.model, name)
    kept = (ours.processor.tokenizer.padding_side, ours.processor.chat_template)
    assert kept == (own.processor.tokenizer.padding_side, own.processor.chat_template)
    found = [run(task, each, "") for each in (ours, own)]
    assert found[0] == found[1]
    assert len(set(found[0])) > 1


@pytest.mark.parametrize("name", ["mata_qwen2_audio", "mata"])
def test_the_cache_tells_settings_apart(
    name: str, task: LocalTask, model: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """lmms-eval's cache of answers: two settings share nothing, one setting shares all."""
    asked: list[int] = []
    for cls in (MataQwen2Audio, Mata):
        answer = cls.generate_until

        def counting(self: Any, requests: Any, answer: Any = answer) -> Any:
            asked.append(len(requests))
            return answer(self, requests)

        monkeypatch.setattr(cls, "generate_until", counting)

    def newly_asked(words: str) -> int:
        asked.clear()
        answers.append(run(task, name, f"pretrained={model}{words}", use_cache=str(tmp_path / "c")))
        return sum(asked)

    def file_with(alpha: float) -> str:
        path = tmp_path / "setting.json"
        MATA(alpha=alpha, layers="0-1", formula="add").save(path)
        with pytest.raises(SettingsError, match="needs the file's digest") as told:
            read_model_args({"settings": str(path)})
        return str(told.value).partition("write ")[2].partition(". ")[0]

    answers: list[list[str]] = []
    for words in ("", f",{WORDS}", ",alpha=2,layers=0-1,formula=add"):
        assert newly_asked(words) == 8
        assert newly_asked(words) == 0
        assert answers[-1] == answers[-2]
    assert answers[0] != answers[2]
    first = "," + file_with(-3.0)
    assert newly_asked(first) == 8
    assert newly_asked(first) == 0
    second = "," + file_with(3.0)
    with pytest.raises(SettingsError, match="is not of the file as it is"):
        newly_asked(first)
    assert newly_asked(second) == 8
    assert answers[-1] == answers[2]  # the same setting, in words


@pytest.mark.parametrize("name", ["mata_qwen2_audio", "mata"])
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("alpha=strong", "alpha must be a number"),
        ("strength=1", "no argument is called 'strength'"),
        ("batch_size=2", "got multiple values"),
        ("layers=7-9", "numbered 0-3"),
        ("heads=99", "heads"),
        ("device=nowhere", "device 'nowhere' cannot be used"),
        ("settings=/no/file.json@123456789abc", "No such file"),
    ],
)
def test_a_wrong_argument_is_told_before_weights_are_read(
    name: str, words: str, message: str, model: str, tmp_path: Path, task: LocalTask
) -> None:
    folder = Path(shutil.copytree(model, tmp_path / "model"))
    for weights in folder.glob("*.safetensors"):
        weights.unlink()
    with pytest.raises((SettingsError, FileNotFoundError, TypeError), match=message):
        run(task, name, f"pretrained={folder},{words}", device=None)


def test_models_and_batches_that_do_not_fit(model: str) -> None:
    with pytest.raises(SettingsError, match="add_system_prompt=False is not supported"):
        MataQwen2Audio(model, add_system_prompt=False)
    for size in (0, "many", 1.5):
        with pytest.raises(SettingsError, match="batch_size must be a whole number"):
            Mata(model, batch_size=size)  # type: ignore[arg-type]
    with pytest.raises(SettingsError, match="second prompt"):
        MataQwen2Audio(model, method="vcd", device="cpu")


def test_a_method_with_second_prompts(task: LocalTask, model: str, tmp_path: Path) -> None:
    found = run(task, "mata", f"pretrained={model},method=vcd")
    assert found == by_mata_eval(task, model, tmp_path / "run", VCD())


def requests(task: LocalTask, model: Any, clips: list[Any], **options: Any) -> list[Instance]:
    """Return one request about clips that are given here."""
    model.task_dict = {"t": {"test": [None]}}
    arguments = ("What is it?", dict(options), lambda _: clips, 0, "t", "test")
    facts = {"task": "t", "doc_id": 0, "repeats": 1}
    return [Instance("generate_until", arguments, 0, facts)]


def clip(task: LocalTask) -> dict[str, Any]:
    samples, rate = soundfile.read(task.folder / "0.wav", dtype="float32")
    return {"array": samples, "sampling_rate": rate}


def test_an_answer_that_cannot_be_generated_is_no_empty_answer(
    task: LocalTask, model: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As it is in lmms-eval's own model."""
    ours = MataQwen2Audio(model, device="cpu")
    wrong = {"max_new_tokens": -1}
    with pytest.raises(RunError, match="could not be generated"):
        ours.generate_until(requests(task, ours, [clip(task)], **wrong))
    assert ours.generate_until(requests(task, ours, [clip(task)], max_new_tokens=3)) != [""]
    own = their_own(monkeypatch, model)
    assert own.generate_until(requests(task, own, [clip(task)], **wrong)) == [""]


def test_no_audio_and_no_clip(task: LocalTask, model: str) -> None:
    general = Mata(model, device="cpu", alpha=1.0)
    with pytest.raises(NoAudioError):
        general.generate_until(requests(task, general, []))
    for wrong in ("picture", {"array": [[0.0, 0.1]], "sampling_rate": 16_000}):
        with pytest.raises(RunError, match="clip of t test 0"):
            general.generate_until(requests(task, general, [wrong]))


@pytest.mark.parametrize(
    "options",
    [{"temperature": 0.7}, {"do_sample": True}, {"num_beams": 4}, {"min_tokens": 3}],
    ids=str,
)
def test_options_that_would_be_ignored_are_refused(
    options: dict[str, Any], task: LocalTask, model: str
) -> None:
    general = Mata(model, device="cpu")
    with pytest.raises(SettingsError, match=next(iter(options))):
        general.generate_until(requests(task, general, [clip(task)], **options))


def test_texts_that_end_an_answer(task: LocalTask) -> None:
    general = Mata("tiny", device="cpu")
    whole = general.generate_until(requests(task, general, [clip(task)], max_new_tokens=8))[0]
    assert len(whole) > 2
    for until in (whole[1:], [whole[2], whole[1:]], ["not in it"]):
        found = general.generate_until(
            requests(task, general, [clip(task)], max_new_tokens=8, until=until, temperature=0)
        )
        ends = [until] if isinstance(until, str) else until
        expected = whole
        for end in ends:
            expected = expected.split(end)[0]
        assert found == [expected]
