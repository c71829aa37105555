"""AIR-Bench's foundation part: 19 tasks, lettered choices. https://github.com/OFA-Sys/AIR-Bench"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import ClassVar

from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.data.question_files import QuestionFiles, QuestionRow
from mata_audio.evaluation.item import AudioSource, Item
from mata_audio.evaluation.scoring.letters import AIR_BENCH, LetterFormat
from mata_audio.evaluation.scoring.prediction_files import json_lines
from mata_audio.evaluation.task import Grouping, OfficialScript
from mata_audio.evaluation.tasks.question_task import LetterTask


class AirBench(LetterTask):
    """AIR-Bench's foundation part as published: ``Foundation_meta.json``, and a folder per task."""

    name: ClassVar[str] = "air-bench"
    title: ClassVar[str] = "AIR-Bench (foundation)"
    splits: ClassVar[tuple[str, ...]] = ("foundation",)
    layouts: ClassVar[Mapping[str, Sequence[str]]] = {
        "foundation": ("Foundation_meta.json", "Foundation/Foundation_meta.json")
    }
    hub: ClassVar[str] = "qyang1021/AIR-Bench-Dataset"
    hub_files: ClassVar[str] = "Foundation/**"
    id_key: ClassVar[str] = "uniq_id"
    rules: ClassVar[LetterFormat] = AIR_BENCH
    groupings: ClassVar[tuple[Grouping, ...]] = (
        Grouping("task_name", "Task"),
        Grouping("dataset_name", "Source"),
    )
    template: ClassVar[str] = "air-bench"
    official_script: ClassVar[OfficialScript] = OfficialScript(
        json_lines, AIR_BENCH.official_output
    )

    def _items(self, questions: QuestionFiles) -> list[Item]:
        items = super()._items(questions)
        if len({item.id for item in items}) == len(items):
            return items
        # Numbers that are not unique in the file are unique within a task's source.
        return [replace(item, id=f"{_folder(item.record)}_{item.id}") for item in items]

    def _audio(self, row: QuestionRow, clips: Clips) -> tuple[AudioSource, ...]:
        path = row.text("path")
        if row.record.get("task_name") == "Audio_Grounding":  # its clips are FLAC all the same
            path = path[:-3] + "flac"
        return (clips.find(f"{_folder(row.record)}/{path}"),)


def _folder(record: Mapping[str, object]) -> str:
    """Return the name of a record's folder.

    Records without a task may occur: the official script skips them.
    """
    return f"{record.get('task_name')}_{record.get('dataset_name')}"
