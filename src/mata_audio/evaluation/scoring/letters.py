"""The rules of MMSU and AIR-Bench's foundation part: a letter at a fixed place in the response.

The official scripts: https://github.com/dingdongwang/MMSU_Bench (``mmsu_evaluation.py``) and
https://github.com/OFA-Sys/AIR-Bench (``score_foundation.py``).
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from mata_audio.errors import ScoringError
from mata_audio.evaluation.scoring.record import Record, kind, numbered

LETTERS = "ABCD"


def one_line(response: str) -> str:
    """Return a response as the scripts see it: stripped, and without line ends."""
    return response.strip().replace("\n", "")


def says_nothing(line: str) -> bool:
    """Return whether such a line counts as no response."""
    return line in ("", "None")


def letter_in(line: str) -> str | None:
    """Return the letter that such a line chooses: its first character, else its last but one."""
    return next(
        (letter for letter in (line[:1], line[-2:-1]) if letter and letter in LETTERS), None
    )


@dataclass(frozen=True)
class Judged:
    """A record's outcome, the group it counts in, and the line that is printed for it."""

    outcome: bool | None
    group: Any = None
    line: str | None = None


@dataclass(frozen=True)
class LetterFormat:
    """Where benchmarks with such a rule differ.

    Args:
        judge: judges the records, in order.
        summary: returns the lines printed after those of the records.
    """

    judge: Callable[[Iterator[Record]], Iterator[Judged]]
    summary: Callable[[Sequence[Judged]], list[str]]

    def outcomes(self, records: Iterable[Any]) -> list[bool | None]:
        """Return whether each record's response is right; None if it is left out.

        Raises:
            ScoringError: a record that the official script would crash on.
        """
        return [judged.outcome for judged in self.judge(numbered(records))]

    def official_output(self, records: Iterable[Any]) -> str:
        """Return what the official script prints for these records, to the byte.

        Raises:
            ScoringError: the official script would crash on a record, or on a group without any
                response that counts.
        """
        judged = list(self.judge(numbered(records)))
        lines = [each.line for each in judged if each.line is not None]
        return "".join(f"{line}\n" for line in [*lines, *self.summary(judged)])


def _share(outcomes: Sequence[bool | None]) -> float:
    return sum(map(bool, outcomes)) / len(outcomes) if outcomes else 0.0


def _judge_mmsu(records: Iterator[Record]) -> Iterator[Judged]:
    letter: str | None = None
    for record in records:
        fields = record.fields()
        response = fields.get("response", "")
        if not isinstance(response, str):
            yield Judged(None, line="Error prediction!")
            continue
        line = one_line(response)
        if not says_nothing(line):
            found = letter_in(line)
            if found is None:
                record.printable("response", line)
                yield Judged(None, line=f"Wrong format response: {line}")
                continue
            letter = found
        # For an empty response, the official script reuses the previous record's letter; so do we.
        if letter is None:
            raise record.error(
                f"response must hold a letter, because no earlier record has one; got {response!a}"
            )
        right = fields.get(f"choice_{letter.lower()}", "") == fields.get("answer_gt", "")
        group = tuple(
            record.group(key, fields.get(key, "")) for key in ("category", "sub-category")
        )
        yield Judged(bool(right), group)


def _summarise_mmsu(judged: Sequence[Judged]) -> list[str]:
    scored = [each for each in judged if each.outcome is not None]
    tasks: dict[Any, dict[Any, list[bool | None]]] = {}
    for each in scored:
        task, category = each.group
        tasks.setdefault(task, {}).setdefault(category, []).append(each.outcome)
    return [
        *(
            f"Category: {task}, Sub-category: {category}, Accuracy: {_share(outcomes):.4f}"
            for task, categories in tasks.items()
            for category, outcomes in categories.items()
        ),
        *(
            f"Category: {task}, Average Accuracy: {_share([*chain(*categories.values())]):.4f}"
            for task, categories in tasks.items()
        ),
        f"Overall Accuracy: {_share([each.outcome for each in scored]):.4f}",
        f"Total count: {len(scored)}",
    ]


def _judge_air_bench(records: Iterator[Record]) -> Iterator[Judged]:
    for record in records:
        dataset = record.require("dataset_name")
        if record.require("task_name") is None:
            yield Judged(None, line="1.task_name is None")
            continue
        task = record.text("task_name")
        if not isinstance(dataset, str):
            raise record.error(f"dataset_name must be text; got {kind(dataset)}")
        group = f"{record.printable('task_name', task)}_{record.printable('dataset_name', dataset)}"
        line = one_line(record.text("response"))
        letter = letter_in(line)
        if says_nothing(line):
            yield Judged(None, group, "2.Response is None.")
        elif letter is None:
            record.printable("response", line)
            yield Judged(None, group, f"response is {line}")
        else:
            yield Judged(letter == _right_letter(record), group)


def _right_letter(record: Record) -> str:
    answer = record.require("answer_gt")
    for letter in LETTERS:
        key = f"choice_{letter.lower()}"
        # Only the first two choices are required; a missing one equals an answer of null.
        choice = record.require(key) if letter in "AB" else record.fields().get(key)
        if answer == choice:
            return letter
    got = ascii(answer) if isinstance(answer, str) else kind(answer)
    raise record.error(f"answer_gt must be one of choice_a to choice_d; got {got}")


def _summarise_air_bench(judged: Sequence[Judged]) -> list[str]:
    tasks: dict[str, list[bool | None]] = {}
    failed = 0
    for each in judged:
        if each.group is None:
            continue
        outcomes = tasks.setdefault(each.group, [])
        if each.outcome is None:
            failed += 1
        else:
            outcomes.append(each.outcome)
    lines = []
    for task, outcomes in tasks.items():
        if not outcomes:
            raise ScoringError(
                f"{task}: at least one response must hold a letter of {LETTERS}, as its first or "
                "its last but one character; none does"
            )
        correct = sum(map(bool, outcomes))
        lines.append(f"{task}: Sum={len(outcomes)}, correct={correct}, acc={_share(outcomes)}")
    total = sum(map(len, tasks.values()))
    return [*lines, f"total_sum: {total}", f"fail_num: {failed}"]


MMSU = LetterFormat(_judge_mmsu, _summarise_mmsu)
AIR_BENCH = LetterFormat(_judge_air_bench, _summarise_air_bench)
