"""The embedded benchmark, for trying things out without a download."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from mata_audio.errors import SettingsError
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.scoring.exact_text import matches
from mata_audio.evaluation.scoring.record import numbered
from mata_audio.evaluation.task import Grouping, Task

if TYPE_CHECKING:
    from mata_audio.tiny import TinyItem


@dataclass(frozen=True)
class TinyAudio:
    """A clip that is synthesised on reading: 16 kHz, 16-bit WAV."""

    item: TinyItem
    place: str = ""

    @property
    def name(self) -> str:
        """The name that its file would have."""
        return f"{self.item.id}.wav"

    def read(self) -> bytes:
        """Return the content of the WAV file."""
        import soundfile

        from mata_audio.tiny.signals import SAMPLE_RATE

        file = io.BytesIO()
        soundfile.write(file, self.item.waveform(), SAMPLE_RATE, format="WAV", subtype="PCM_16")
        return file.getvalue()


class Tiny(Task):
    """The embedded benchmark."""

    name: ClassVar[str] = "tiny"
    title: ClassVar[str] = "mata-tiny"
    splits: ClassVar[tuple[str, ...]] = ("test", "tune", "test-2")
    groupings: ClassVar[tuple[Grouping, ...]] = (
        Grouping(
            "sub-category", "Condition", ("no caption", "caption agrees", "caption contradicts")
        ),
        Grouping("task", "Domain"),
    )
    template: ClassVar[str] = "question"
    reader: ClassVar[str] = "whole"
    max_new_tokens: ClassVar[int] = 8
    needs_data: ClassVar[bool] = False

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Make the questions of one split.

        Raises:
            SettingsError: the split does not exist, or data is given.
        """
        if split not in self.splits:
            raise SettingsError(f"no such split: {split!r}; allowed are {', '.join(self.splits)}")
        if data is not None:
            raise SettingsError(f"the task tiny makes its own data; leave out {data}")
        from mata_audio.tiny.benchmark import make_items

        items = tuple(self._item(item) for item in make_items(split))
        content = json.dumps([item.record for item in items]).encode()
        files = {f"tiny-{split}": hashlib.sha256(content).hexdigest()}
        return Dataset(self.name, split, items, files)

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Return which predictions are the answer, ignoring case, spaces and final punctuation."""
        return [
            matches(record.text(self.prediction_key), record.text("answer"))
            for record in numbered(records)
        ]

    def _item(self, item: TinyItem) -> Item:
        from mata_audio.tiny.benchmark import mmau_record

        audio = TinyAudio(item)
        record = mmau_record(item, audio.name)
        return Item(
            id=item.id,
            audio=(audio,),
            question=item.question,
            choices=item.choices,
            answer=item.answer,
            groups={grouping.key: str(record[grouping.key]) for grouping in self.groupings},
            record=record,
        )
