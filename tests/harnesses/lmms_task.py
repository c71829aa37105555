"""A task of lmms-eval's own format on this disk, and its command line."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

YAML = """\
task: mata_local
dataset_path: json
dataset_kwargs:
  data_files:
    test: {questions}
test_split: test
output_type: generate_until
doc_to_visual: !function local.doc_to_visual
doc_to_text: !function local.doc_to_text
doc_to_messages: !function local.doc_to_messages
doc_to_target: answer
process_results: !function local.process_results
generation_kwargs:
  max_new_tokens: 6
  until: ["###"]
metric_list:
  - metric: exact
    aggregation: mean
    higher_is_better: true
metadata:
  - version: 0.0
"""

CODE = """\
from pathlib import Path

import soundfile

HERE = Path(__file__).parent


def doc_to_visual(doc):
    clips = []
    for name in doc["audio"]:
        samples, rate = soundfile.read(HERE / name, dtype="float32")
        clips.append({"array": samples, "sampling_rate": rate})
    return clips


def doc_to_text(doc):
    return doc["question"]


def doc_to_messages(doc):
    clips = [{"type": "audio", "url": clip["array"]} for clip in doc_to_visual(doc)]
    return [{"role": "user", "content": [*clips, {"type": "text", "text": doc["question"]}]}]


def process_results(doc, results):
    return {"exact": float(results[0].strip() == doc["answer"])}
"""


@dataclass(frozen=True)
class LocalTask:
    """A folder with questions, clips, and the task that reads them."""

    folder: Path

    @property
    def questions(self) -> Path:
        return self.folder / "questions.jsonl"

    @property
    def ids(self) -> list[str]:
        return [json.loads(line)["id"] for line in self.questions.read_text().splitlines()]


def write_task(folder: Path, clips: int = 1) -> LocalTask:
    """Write eight questions about clips of unequal length; one in four has ``clips`` clips."""
    rng = np.random.default_rng(0)
    lines = []
    for number in range(8):
        sound = 0.1 * rng.standard_normal(int(16_000 * (0.5 + 0.25 * (number % 3))))
        soundfile.write(folder / f"{number}.wav", sound, 16_000, subtype="FLOAT")
        about = [f"{number}.wav"] + ["0.wav"] * (clips - 1 if number % 4 == 3 else 0)
        question = f"Which sound is number {number}?"[: 18 + number % 4]
        lines.append(
            {"id": f"mata_local test {number}", "audio": about, "question": question, "answer": "a"}
        )
    task = LocalTask(folder)
    task.questions.write_text("\n".join(map(json.dumps, lines)) + "\n")
    (folder / "mata_local.yaml").write_text(YAML.format(questions=task.questions))
    (folder / "local.py").write_text(CODE)
    return task


@dataclass(frozen=True)
class Ran:
    """What a run of lmms-eval printed, and the answers in its log, by question."""

    code: int
    out: str
    answers: list[str]
    results: dict[str, Any]


def answer_in(sample: dict[str, Any]) -> str:
    """Return the answer of a logged sample, before lmms-eval strips it."""
    found = sample.get("resps", sample["filtered_resps"])
    while not isinstance(found, str):
        (found,) = found
    return found


def lmms_eval(task: LocalTask, out: Path, model: str, *words: str, arguments: str) -> Ran:
    """Run ``lmms-eval`` as a process."""
    command = [str(Path(sys.executable).with_name("lmms-eval"))]
    where = {"HF_HOME": str(out / "hub"), "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [
            *command,
            *("--model", model, "--model_args", arguments, "--tasks", "mata_local"),
            *("--include_path", str(task.folder), "--log_samples", "--output_path", str(out)),
            *words,
        ],
        env={**os.environ, **where},
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )
    found = sorted(out.rglob("*samples_mata_local.jsonl"))
    lines = [json.loads(line) for line in found[-1].read_text().splitlines()] if found else []
    lines.sort(key=lambda line: line["doc_id"])
    files = sorted(out.rglob("*_results.json"))
    return Ran(
        done.returncode,
        done.stdout + done.stderr,
        [answer_in(line) for line in lines],
        json.loads(files[-1].read_text()) if files else {},
    )
