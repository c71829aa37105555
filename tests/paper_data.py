"""MMAU and MMAR as users have them on disk, with a handful of synthesised clips."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import soundfile

from mata_audio.tiny import make_items
from mata_audio.tiny.benchmark import mmau_record
from mata_audio.tiny.signals import SAMPLE_RATE


def write_mmau(folder: Path, n: int = 6, hidden: int = 2) -> Path:
    """Write both splits: ``n`` questions with answers, and ``hidden`` without."""
    for split, count in (("test-mini", n), ("test", hidden)):
        records = _records(folder, split, count)
        if split == "test":
            records = [{**record, "answer": ""} for record in records]
        (folder / f"mmau-{split}.json").write_text(json.dumps(records))
    return folder


def write_mmar(folder: Path, n: int = 3) -> Path:
    """Write ``n`` questions, all about sound."""
    about = {"modality": "sound", "category": "Signal Layer"}
    records = _records(folder, "audio", n)
    for record in records:
        record.update(about, audio_path=record["audio_id"])
    (folder / "MMAR-meta.json").write_text(json.dumps(records))
    return folder


def _records(folder: Path, split: str, count: int) -> list[dict[str, Any]]:
    (folder / split).mkdir(parents=True)
    records = []
    for item in make_items("tune", 36)[:: 36 // count]:  # sound, then music, then speech
        name = f"{split}/{item.id}.wav"
        soundfile.write(folder / name, item.waveform(), SAMPLE_RATE, subtype="PCM_16")
        records.append(mmau_record(item, f"./{name}"))
    return records
