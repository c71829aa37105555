"""AIR-Bench's foundation part: 19 tasks, lettered choices. https://github.com/OFA-Sys/AIR-Bench"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from mata_audio.evaluation.data.choices import lettered_choices, with_letter
from mata_audio.evaluation.data.question_files import (
    Clips,
    QuestionRow,
    dataset,
    find_questions,
    read_rows,
)
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.scoring.letters import AIR_BENCH
from mata_audio.evaluation.scoring.prediction_files import json_lines
from mata_audio.evaluation.task import Grouping, OfficialScript, Task

_LAYOUTS = {"foundation": ("Foundation_meta.json", "Foundation/Foundation_meta.json")}


class AirBench(Task):
    """AIR-Bench's foundation part as published: ``Foundation_meta.json``, and a folder per task."""

    name: ClassVar[str] = "air-bench"
    title: ClassVar[str] = "AIR-Bench (foundation)"
    splits: ClassVar[tuple[str, ...]] = ("foundation",)
    groupings: ClassVar[tuple[Grouping, ...]] = (
        Grouping("task_name", "Task"),
        Grouping("dataset_name", "Source"),
    )
    prediction_key: ClassVar[str] = "response"
    prediction_format: ClassVar[str] = "jsonl"
    template: ClassVar[str] = "air-bench"
    reader: ClassVar[str] = "whole"
    official_script: ClassVar[OfficialScript] = OfficialScript(
        json_lines, AIR_BENCH.official_output
    )

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = find_questions(
            data, split, _LAYOUTS, "qyang1021/AIR-Bench-Dataset", only="Foundation/**"
        )
        rows = read_rows(questions)
        times = Counter(row.text("uniq_id") for row in rows)
        unique = max(times.values()) == 1
        items = [self._item(row, questions.clips, unique) for row in rows]
        return dataset(self.name, split, questions, items)

    def record(self, item: Item, prediction: str) -> dict[str, Any]:
        """Return the record with its prediction; the text of a choice becomes its letter."""
        return {**item.record, self.prediction_key: with_letter(prediction, item.choices)}

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which responses are right, by AIR-Bench's own rule."""
        return AIR_BENCH.outcomes(records)

    def _item(self, row: QuestionRow, clips: Clips, unique: bool) -> Item:
        number = row.text("uniq_id")
        # The official script skips records without a task, so they may occur.
        task, source = row.record.get("task_name"), row.record.get("dataset_name")
        hidden = row.record.get("answer_gt") in (None, "")
        return Item(
            # Numbers that are not unique in the file are unique within a task's source.
            id=number if unique else f"{task}_{source}_{number}",
            audio=(clips.find(f"{task}_{source}/{_file_name(task, row.text('path'))}"),),
            question=row.text("question"),
            choices=lettered_choices(row),
            answer=None if hidden else row.text("answer_gt"),
            groups=row.groups([grouping.key for grouping in self.groupings]),
            record=dict(row.record),
        )


def _file_name(task: str | None, path: str) -> str:
    """Return a clip's file name; Audio_Grounding's clips are FLAC though its paths end in .wav."""
    return path[:-3] + "flac" if task == "Audio_Grounding" else path
