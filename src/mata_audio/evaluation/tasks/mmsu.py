"""MMSU: spoken language, four lettered choices. https://github.com/dingdongwang/MMSU_Bench"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mata_audio.evaluation.scoring.letters import MMSU, LetterFormat
from mata_audio.evaluation.scoring.prediction_files import mmsu_lines
from mata_audio.evaluation.task import Grouping, OfficialScript
from mata_audio.evaluation.tasks.question_task import LetterTask

_JSON = ("question/mmsu.jsonl", "mmsu.jsonl", "question/mmsu.json", "mmsu.json")


class Mmsu(LetterTask):
    """MMSU as published: ``question/mmsu.jsonl`` with ``audio``, or the hub's parquet."""

    name: ClassVar[str] = "mmsu"
    title: ClassVar[str] = "MMSU"
    layouts: ClassVar[Mapping[str, Sequence[str]]] = {
        "test": (*_JSON, "*.parquet", "data/*.parquet", "default/*/*.parquet")
    }
    hub: ClassVar[str] = "ddwang2000/MMSU"
    rules: ClassVar[LetterFormat] = MMSU
    groupings: ClassVar[tuple[Grouping, ...]] = (
        Grouping("category", "Category"),
        Grouping("sub-category", "Sub-category"),
        Grouping("task_name", "Task"),
    )
    looks_back: ClassVar[bool] = True  # an empty response takes the letter of the record before
    template: ClassVar[str] = "mmsu"
    official_script: ClassVar[OfficialScript] = OfficialScript(mmsu_lines, MMSU.official_output)
