"""MMAU: sound, music and speech, mostly four choices. https://github.com/Sakshi113/MMAU"""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path, PurePosixPath
from typing import Any, ClassVar

from mata_audio.evaluation.data.audio_sources import MissingAudio
from mata_audio.evaluation.data.choices import choices_and_answer
from mata_audio.evaluation.data.question_files import (
    Clips,
    QuestionFiles,
    QuestionRow,
    dataset,
    find_questions,
    read_rows,
)
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.scoring.prediction_files import json_list
from mata_audio.evaluation.scoring.string_match import MMAU
from mata_audio.evaluation.task import Grouping, OfficialScript, Task

_HUBS = {"test-mini": "gamma-lab-umd/MMAU-test-mini", "test": "gamma-lab-umd/MMAU-test"}
_PARQUETS = {
    "test-mini": ("test?mini*.parquet", "data/test?mini*.parquet"),
    "test": ("test.parquet", "test-0*.parquet", "data/test-0*.parquet"),
}
_LAYOUTS = {
    split: (f"mmau-{split}.json", f"mmau-{split}.jsonl", *_PARQUETS[split]) for split in _HUBS
}
_FIELDS = ("id", "audio_id", "question", "choices", "answer", "dataset", "task", "split")


class Mmau(Task):
    """MMAU as published: its JSON with audio, or the hub's parquet."""

    name: ClassVar[str] = "mmau"
    title: ClassVar[str] = "MMAU"
    splits: ClassVar[tuple[str, ...]] = ("test-mini", "test")
    groupings: ClassVar[tuple[Grouping, ...]] = (
        *MMAU.fixed,
        Grouping("sub-category", "Sub-category"),
    )
    prediction_key: ClassVar[str] = MMAU.prediction_key
    official_script: ClassVar[OfficialScript] = OfficialScript(json_list, MMAU.official_output)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Read the questions of one split.

        Raises:
            DataError: files are missing or damaged, or a record is incomplete.
            SettingsError: the split does not exist.
        """
        questions = find_questions(data, split, _LAYOUTS, _HUBS.get(split, ""))
        items = self._items(questions)
        if isinstance(items[0].audio[0], MissingAudio) and _has_parquet(data, questions, split):
            # The folder has the JSON but not its audio files; the parquet holds the audio.
            questions = find_questions(questions.folder, split, _PARQUETS, _HUBS[split])
            items = self._items(questions)
        return dataset(self.name, split, questions, items)

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are right, by MMAU's own rule."""
        return MMAU.outcomes(records)

    def _items(self, questions: QuestionFiles) -> list[Item]:
        return [self._item(row, questions.clips) for row in read_rows(questions)]

    def _item(self, row: QuestionRow, clips: Clips) -> Item:
        row = _json_layout(row)
        choices, answer = choices_and_answer(row)
        if not choices:
            raise row.error("it has no choices")
        record = {**row.record, "choices": list(choices), "answer": answer or ""}
        embedded = next(iter(row.audio.values()), None)
        return Item(
            id=row.text("id"),
            audio=(embedded or clips.find(row.text("audio_id")),),
            question=row.text("question"),
            choices=choices,
            answer=answer,
            groups=row.groups([grouping.key for grouping in self.groupings]),
            record=record,
        )


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
        try:
            value = json.loads(value)
        except ValueError:
            try:
                value = ast.literal_eval(value)
            except (ValueError, SyntaxError):
                value = None
    if not isinstance(value, dict):
        raise row.error("other_attributes is not a JSON object")
    return value
