"""MMAU: sound, music and speech, mostly four choices. https://github.com/Sakshi113/MMAU"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from mata_audio.evaluation.data.audio_sources import MissingAudio
from mata_audio.evaluation.data.choices import from_text
from mata_audio.evaluation.data.clips import Clips
from mata_audio.evaluation.data.question_files import (
    QuestionFiles,
    QuestionRow,
    find_questions,
)
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.scoring.prediction_files import json_list
from mata_audio.evaluation.scoring.string_match import MMAU, StringMatchFormat
from mata_audio.evaluation.task import Grouping, OfficialScript
from mata_audio.evaluation.tasks.question_task import QuestionTask

_PARQUETS = {
    "test-mini": ("test?mini*.parquet", "data/test?mini*.parquet"),
    "test": ("test.parquet", "test-0*.parquet", "data/test-0*.parquet"),
}
_FIELDS = ("id", "audio_id", "question", "choices", "answer", "dataset", "task", "split")


class Mmau(QuestionTask):
    """MMAU as published: its JSON with audio, or the hub's parquet."""

    name: ClassVar[str] = "mmau"
    title: ClassVar[str] = "MMAU"
    splits: ClassVar[tuple[str, ...]] = tuple(_PARQUETS)
    layouts: ClassVar[Mapping[str, Sequence[str]]] = {
        split: (f"mmau-{split}.json", f"mmau-{split}.jsonl", *parquets)
        for split, parquets in _PARQUETS.items()
    }
    hub: ClassVar[str] = "gamma-lab-umd/MMAU-{split}"
    audio_key: ClassVar[str] = "audio_id"
    rules: ClassVar[StringMatchFormat] = MMAU
    groupings: ClassVar[tuple[Grouping, ...]] = MMAU.groupings
    prediction_key: ClassVar[str] = MMAU.prediction_key
    official_script: ClassVar[OfficialScript] = OfficialScript(json_list, MMAU.official_output)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions of one split.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = self._questions(data, split)
        items = self._items(questions)
        if isinstance(items[0].audio[0], MissingAudio) and _has_parquet(data, questions, split):
            # The folder has the JSON but not its audio files; the parquet holds the audio.
            questions = find_questions(questions.folder, split, _PARQUETS, self.hub)
            items = self._items(questions)
        return self._dataset(split, questions, items)

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        return super()._item(_json_layout(row), clips)


def _has_parquet(data: str | Path | None, questions: QuestionFiles, split: str) -> bool:
    named = data is not None and Path(data).expanduser().is_file()
    return not named and any(any(questions.folder.glob(layout)) for layout in _PARQUETS[split])


def _json_layout(row: QuestionRow) -> QuestionRow:
    """Return the row with the fields of the JSON file, whatever its own layout."""
    record = {**_attributes(row), **row.record}
    record.pop("other_attributes", None)
    if "question" not in record and "instruction" in record:
        record["question"] = record.pop("instruction")
    if row.audio and not record.get("audio_id"):
        name = next(iter(row.audio.values())).name
        record["audio_id"] = f"{record['id']}.wav" if record.get("id") else name
    if not record.get("id") and isinstance(record.get("audio_id"), str):
        # The first release has no ids; in all others the id is the clip's name.
        record["id"] = PurePosixPath(record["audio_id"]).stem
    first = {key: record[key] for key in _FIELDS if key in record}
    return replace(row, record=first | record)


def _attributes(row: QuestionRow) -> dict[str, Any]:
    """Return the fields that the hub's parquet keeps as JSON text in one column."""
    value = row.record.get("other_attributes") or {}
    if isinstance(value, str):
        value = from_text(value)
    if not isinstance(value, dict):
        raise row.error("other_attributes is not a JSON object")
    return value
