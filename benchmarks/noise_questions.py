"""Questions about clips of noise that are as long as the clips of real benchmarks."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import soundfile
import torch

from mata_audio.evaluation.item import Item
from mata_audio.evaluation.running.prepare import Prepared

RATE = 16_000
PUBLISHED = Path(os.environ.get("MATA_AUDIO_BENCHMARKS", "../shared/benchmarks"))
"""Where the published question files are, if they are anywhere: CONTRIBUTING.md."""
FILES = {"mmau": "mmau-test-mini.json", "mmar": "MMAR-meta.jsonl"}
"""Names of the files that hold the real questions of benchmarks."""


def clip_seconds(name: str, number: int, draw: np.random.Generator) -> float:
    """Return how long a clip is, about as in the benchmark."""
    if name == "mmau":  # a third each: sounds of ten seconds, music up to thirty, sentences
        seconds = (10.0, draw.uniform(8, 30), 2 + draw.gamma(2, 4))[number % 3]
    else:
        seconds = draw.gamma(2.5, 8)
    return float(np.clip(seconds, 1, 30))


def prompt_of_length(number: int, tokens: int) -> Prepared:
    """Return a prepared item whose prompt has so many tokens, to be put into batches."""
    inputs = {"input_ids": torch.zeros(1, tokens, dtype=torch.int8)}
    return Prepared(Item(str(number), (), "", (), None), inputs, ())


def read_questions(file: Path, count: int) -> list[dict[str, Any]]:
    """Return the first questions of a benchmark, or made-up ones of like lengths."""
    if not file.exists():
        words = "what is the sound that one hears after the second voice".split()  # noqa: SIM905
        draw = np.random.default_rng(1)
        return [
            {"question": " ".join(draw.choice(words, 12)), "choices": [*draw.choice(words, 4)]}
            for _ in range(count)
        ]
    text = file.read_text(encoding="utf-8")
    found = json.loads(text) if file.suffix == ".json" else map(json.loads, text.splitlines())
    return list(found)[:count]


def write_clips(
    name: str, folder: Path, questions: list[dict[str, Any]]
) -> Iterator[tuple[Path, Mapping[str, Any]]]:
    """Write a clip of noise for each question of a benchmark, and yield both."""
    draw = np.random.default_rng(0)
    for number, question in enumerate(questions):
        seconds = clip_seconds(name, number, draw)
        path = folder / f"{name}-{number}.wav"
        sound = 0.1 * draw.standard_normal(round(seconds * RATE))
        soundfile.write(path, sound, RATE, subtype="PCM_16")
        yield path, question
