"""Run a benchmark of one's own: questions in a file, and an own rule for what is right.

python examples/own_benchmark.py [MODEL]

The file has one line of JSON for each question, with clips beside it; ``--task jsonl`` reads it as
it is. Here the rule differs: the answers are digits, the model may write words, and "3", "three"
and "three beeps" are the same number. So this is a task of its own, with all that tasks have:
one prefill for all settings, a run that can be stopped, paired statistics.

MODEL is any model that hears audio. The default is the embedded one, whose figures say nothing
about large models.
"""

from __future__ import annotations

import json
import re
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import soundfile

from mata_audio.evaluation import evaluate
from mata_audio.evaluation.tasks import TASKS
from mata_audio.evaluation.tasks.jsonl import Jsonl
from mata_audio.methods import Mass
from mata_audio.tiny import make_items

WORDS = ("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine")


def number_in(text: str) -> int | None:
    """Return the first number in a text, in digits or as a word; None if there is none."""
    for word in re.findall(r"[a-z]+|\d+", text.lower()):
        if word.isdigit():
            return int(word)
        if word in WORDS:
            return WORDS.index(word)
    return None


class Counting(Jsonl):
    """Questions of how many; a prediction is right if its first number is the answer's."""

    name: ClassVar[str] = "counting"
    title: ClassVar[str] = "How many?"
    template: ClassVar[str] = "question"  # the question as it is, without instructions
    reader: ClassVar[str] = "whole"  # all that the model wrote
    max_new_tokens: ClassVar[int] = 8

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return whether each prediction names the right number."""
        return [
            number_in(record[self.prediction_key]) == number_in(record["answer"])
            for record in records
        ]


TASKS[Counting.name] = Counting()  # known to every command of this process, such as mata report


def write_questions(folder: Path) -> Path:
    """Write sixty questions with their clips; return the question file."""
    folder.mkdir(parents=True, exist_ok=True)
    lines = []
    for item in make_items("tune", 720):
        if item.task.name == "count":
            soundfile.write(folder / f"{item.id}.wav", item.waveform(), 16_000)
            question = {
                "id": item.id,
                "audio": f"{item.id}.wav",  # relative to the file
                "question": item.question,
                "answer": str(number_in(item.answer)),
                "category": item.condition,
            }
            lines.append(json.dumps(question) + "\n")
    path = folder / "questions.jsonl"
    path.write_text("".join(lines), encoding="utf-8")
    return path


def main(model: str = "tiny") -> None:
    """Compare a setting with the baseline on the questions."""
    data = write_questions(Path("runs", "own-benchmark-data"))
    results = evaluate(
        model, "counting", "runs/own-benchmark", data=data, settings=Mass(alpha=1, layers="3-7")
    )
    print(results)
    for row in (*results.groups, results.overall):
        found = row.paired["Mass"]
        print(
            f"{row.name}: {found.n} items, baseline {found.before:.1%}, Mass {found.after:.1%}, "
            f"{found.gained} answers gained and {found.lost} lost"
        )


if __name__ == "__main__":
    main(*sys.argv[1:2])
