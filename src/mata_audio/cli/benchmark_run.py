"""Running the embedded model over its benchmark, from WAV files to answers."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from mata_audio.asking import answer, build_inputs, load_clip, prompt_style, same_length_batches
from mata_audio.cli.comparison import Answered
from mata_audio.cli.progress import Progress
from mata_audio.loading import Loaded
from mata_audio.receipt import Receipt
from mata_audio.settings import MATA
from mata_audio.tiny import Item, write_benchmark

BATCH = 64
MAX_NEW_TOKENS = 8
_WRITTEN_AT_ONCE = 36

Record = dict[str, str]


@dataclass(frozen=True)
class Run:
    """Both answers to every item, in the items' order, and what MATA did."""

    answers: list[Answered]
    receipt: Receipt


def write_clips(folder: Path, items: list[Item]) -> list[tuple[Path, Record]]:
    """Write the items as WAV files and MMAU records; return each clip's path with its record."""
    written: list[tuple[Path, Record]] = []
    with Progress("making clips", len(items)) as progress:
        for start in range(0, len(items), _WRITTEN_AT_ONCE):
            part = folder / f"{start:06d}"
            records = json.loads(
                write_benchmark(part, items[start : start + _WRITTEN_AT_ONCE]).read_text("utf-8")
            )
            written += [(part / record["audio_id"], record) for record in records]
            progress.advance(len(records))
    return written


def run_benchmark(loaded: Loaded, mata: MATA, clips: list[tuple[Path, Record]]) -> Run:
    """Answer every record without and then with MATA, in the same batches.

    Raises:
        AudioError: a clip cannot be used.
    """
    style = prompt_style(loaded)
    prompts: list[dict[str, Tensor]] = []
    with Progress("reading clips", len(clips)) as progress:
        for path, record in clips:
            clip = load_clip(loaded.processor, path)
            prompts.append(build_inputs(loaded.processor, style, record["question"], [clip]))
            progress.advance(1)
    baseline = _answers("without MATA", loaded, prompts)
    with mata(loaded.model) as applied:
        steered = _answers("with MATA", loaded, prompts)
    answered = [
        Answered(
            id=record["id"],
            condition=record["sub-category"],
            domain=record["task"],
            question=record["question"],
            choices=tuple(record["choices"]),
            answer=record["answer"],
            baseline=before,
            mata=after,
        )
        for (_, record), before, after in zip(clips, baseline, steered, strict=True)
    ]
    return Run(answered, applied.receipt)


def _answers(stage: str, loaded: Loaded, prompts: list[dict[str, Tensor]]) -> Iterable[str]:
    answers = [""] * len(prompts)
    with Progress(stage, len(prompts)) as progress:
        for batch in same_length_batches(prompts, BATCH):
            replies = answer(loaded, [prompts[index] for index in batch], MAX_NEW_TOKENS)
            for index, reply in zip(batch, replies, strict=True):
                answers[index] = reply
            progress.advance(len(batch))
    return answers
