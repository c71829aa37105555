"""MMAR: reasoning over speech, sound, music and mixes. https://github.com/ddlBoJack/MMAR"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from mata_audio.evaluation.scoring.prediction_files import mmar_file
from mata_audio.evaluation.scoring.string_match import MMAR, StringMatchFormat
from mata_audio.evaluation.task import Grouping, OfficialScript
from mata_audio.evaluation.tasks.question_task import QuestionTask


class Mmar(QuestionTask):
    """MMAR as published: ``MMAR-meta.json`` or ``.jsonl`` with audio or ``mmar-audio.tar.gz``."""

    name: ClassVar[str] = "mmar"
    title: ClassVar[str] = "MMAR"
    layouts: ClassVar[Mapping[str, Sequence[str]]] = {"test": ("MMAR-meta.jsonl", "MMAR-meta.json")}
    hub: ClassVar[str] = "BoJack/MMAR"
    rules: ClassVar[StringMatchFormat] = MMAR
    groupings: ClassVar[tuple[Grouping, ...]] = MMAR.groupings
    prediction_key: ClassVar[str] = MMAR.prediction_key
    official_script: ClassVar[OfficialScript] = OfficialScript(mmar_file, MMAR.official_output)
