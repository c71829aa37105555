"""Our benchmarks as a task of inspect_ai, against ``mata eval``; and what inspect shows of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import soundfile

from mata_audio import MATA
from mata_audio.evaluation import evaluate
from mata_audio.evaluation.tasks import task_named

pytest.importorskip("inspect_ai", reason="needs inspect_ai: make test-extras")

from inspect_ai import Task, eval
from inspect_ai.dataset import MemoryDataset, Sample
from inspect_ai.log import EvalLog, read_eval_log
from inspect_ai.model import ChatMessageUser, ContentAudio, ContentText
from inspect_ai.scorer import SampleScore, Score

from mata_audio.harnesses.inspect_ai.scorer import figures

STRONG = {"alpha": -8.0, "layers": "0-11", "formula": "add"}
LIMIT = 24


def run(folder: Path, **given: Any) -> EvalLog:
    """Run an evaluation in this process."""
    given = {"tasks": "mata_audio/benchmark", "model": "mata/tiny", **given}
    (log,) = eval(log_dir=str(folder), display="none", **given)
    assert log.status == "success", log.error
    return log


def answers(log: EvalLog) -> dict[str, str]:
    assert log.samples is not None
    return {str(sample.id): sample.output.completion for sample in log.samples}


def measured(log: EvalLog) -> dict[str, float]:
    assert log.results is not None
    return {name: own.value for name, own in log.results.scores[0].metrics.items()}


def assert_same_figures(log: EvalLog, results: Any, setting: str) -> None:
    wanted = {"accuracy": results.overall.accuracy[setting].value}
    wanted["counted"] = results.overall.accuracy[setting].n
    for row in results.groups:
        wanted[f"{row.grouping}: {row.name}"] = row.accuracy[setting].value
    assert measured(log) == wanted


def test_answers_and_figures_are_those_of_mata_eval(tmp_path: Path) -> None:
    settings = {"baseline": {}, "MATA": STRONG}
    results = evaluate("tiny", "tiny", tmp_path / "run", settings=MATA(**STRONG), limit=LIMIT)
    found = {}
    for name, arguments in settings.items():
        log = run(tmp_path / name, model_args=arguments, limit=LIMIT)
        found[name] = answers(log)
        assert found[name] == {own.id: own.answers[name].raw for own in results.items}
        assert_same_figures(log, results, name)
        assert log.samples is not None
        right = {own.id: own.answers[name].correct for own in results.items}
        for sample in log.samples:
            assert sample.scores is not None
            assert (sample.scores["official"].value == "C") == right[str(sample.id)]
    assert found["baseline"] != found["MATA"]


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Questions of one's own about clips of several formats, rates and channels."""
    folder = tmp_path_factory.mktemp("questions")
    rng = np.random.default_rng(0)
    lines = []
    for number, kind in enumerate(["wav", "flac", "mp3", "ogg", "wav", "flac"]):
        rate, channels = [16_000, 44_100, 48_000][number % 3], 1 + number % 2
        time = np.arange(int(rate * (1 + number / 4))) / rate
        sound = np.sin(2 * np.pi * (200 + 150 * number) * time)[:, None].repeat(channels, 1) / 2
        sound += 0.05 * rng.standard_normal(sound.shape)
        soundfile.write(folder / f"{number}.{kind}", sound, rate)
        clips = [f"{number}.{kind}"] + ["0.wav"] * (number == 3)
        line = {"id": f"q{number}", "audio": clips, "question": "Which sound is this?"}
        line |= {"choices": ["dog", "buzzer", "siren"], "answer": ["buzzer", "siren"][number % 2]}
        line |= {"category": ["high", "low"][number // 3]}
        lines.append(line)
    lines[5].pop("answer")  # is not scored
    file = folder / "questions.jsonl"
    file.write_text("\n".join(map(json.dumps, lines)))
    return file


def test_questions_in_files_of_several_formats(questions: Path, tmp_path: Path) -> None:
    results = evaluate(
        "tiny",
        "jsonl",
        tmp_path / "run",
        data=questions,
        settings=MATA(**STRONG),
        max_new_tokens=8,
    )
    assert all(own.error is None for own in results.items)
    for name, arguments in (("baseline", {}), ("MATA", STRONG)):
        given = {"task": "jsonl", "data": str(questions), "max_tokens": 8}
        log = run(tmp_path / name, model_args=arguments, task_args=given)
        assert answers(log) == {own.id: own.answers[name].raw for own in results.items}
        assert_same_figures(log, results, name)
        assert measured(log)["counted"] == 5


def test_a_template_and_a_reader(questions: Path, tmp_path: Path) -> None:
    given = {"task": "jsonl", "data": str(questions), "template": "question", "reader": "whole"}
    log = run(tmp_path / "log", task_args=given, limit=2)
    options = {"template": "question", "reader": "whole", "limit": 2}
    results = evaluate("tiny", "jsonl", tmp_path / "run", data=questions, **options)
    assert answers(log) == {own.id: own.answers["baseline"].raw for own in results.items}
    assert log.samples is not None
    content = log.samples[0].messages[0].content
    assert isinstance(content[0], ContentText)
    assert content[0].text == "Which sound is this?"  # this template leaves the choices out
    assert isinstance(content[1], ContentAudio)


def test_a_rule_that_looks_back_is_kept() -> None:
    """MMSU: an empty response is scored by the letter of the record before it."""
    rows = [("A", "w"), ("", "w"), ("B", "w"), ("", "x"), ("C", "y")]
    records = [
        {"id": str(n), "task_name": "t", "category": "Perception", "sub-category": "s",
         "choice_a": "w", "choice_b": "x", "choice_c": "y", "choice_d": "z", "answer_gt": answer}
        for n, (_, answer) in enumerate(rows)
    ]  # fmt: skip
    scores = [
        SampleScore(
            score=Score(value="I", metadata={"raw": raw}),
            sample_id=record["id"],
            sample_metadata={
                "task": "mmsu",
                "split": "test",
                "reader": "whole",
                "choices": list("wxyz"),
                "answer": record["answer_gt"],
                "groups": {},
                "record": record,
            },
        )
        for (raw, _), record in zip(rows, records, strict=True)
    ]
    given = [{**record, "response": raw} for (raw, _), record in zip(rows, records, strict=True)]
    outcomes = task_named("mmsu").outcomes(given)
    assert outcomes == [True, True, False, True, True]  # by hand: A, A again, B, B again, C
    assert figures()(scores) == {"accuracy": 0.8, "counted": 5}


def test_another_task_with_a_file_of_audio(questions: Path, tmp_path: Path) -> None:
    """inspect_ai reads the file, and the provider takes it."""
    clip = ContentAudio(audio=str(questions.parent / "0.wav"), format="wav")
    asked = [ChatMessageUser(content=[ContentText(text="Which sound is this?"), clip])]
    task = Task(dataset=MemoryDataset([Sample(input=asked)]))
    log = run(tmp_path, tasks=task, model_args=STRONG)
    assert log.samples is not None
    output = log.samples[0].output
    assert output.completion
    assert output.metadata is not None
    assert output.metadata["mata"]["seconds_heard"] == [1.0]
    assert output.metadata["mata"]["audio_mass_steered"] is not None


def test_the_command_line_and_the_viewer(tmp_path: Path) -> None:
    """The log is one that ``inspect view`` shows, with the setting and the receipt in it."""
    inspect = str(Path(sys.executable).with_name("inspect"))
    where = {**os.environ, "OMP_NUM_THREADS": "1"}
    words = ["eval", "mata_audio/benchmark", "--model", "mata/tiny", "-M", "alpha=0.2"]
    words += ["-M", "layers=3,5-7", "-T", "task=tiny", "--limit", "2", "--log-dir", "logs"]
    done = subprocess.run(
        [inspect, *words, "--display", "plain"],
        cwd=tmp_path,
        env=where,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert "accuracy" in done.stdout
    (file,) = (tmp_path / "logs").glob("*.eval")
    log = read_eval_log(str(file))
    assert log.eval.model_args == {"alpha": 0.2, "layers": ["3", "5-7"]}
    assert log.samples is not None
    for sample in log.samples:
        assert sample.output.metadata is not None
        assert sample.output.metadata["mata"]["setting"] == "alpha 0.2, layers 3,5-7"
    bundle = ["view", "bundle", "--log-dir", "logs", "--output-dir", "shown"]
    subprocess.run([inspect, *bundle], cwd=tmp_path, env=where, check=True, capture_output=True)
    assert (tmp_path / "shown" / "index.html").is_file()
    (shown,) = (tmp_path / "shown" / "logs").glob("*.eval")
    with zipfile.ZipFile(shown) as parts:
        assert "header.json" in parts.namelist()
