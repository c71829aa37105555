"""Running the embedded model over its benchmark in the plainest way, from WAV files to answers.

This is what a user's own program does: ``generate``, then ``generate`` once more inside
``with mata(model)``. The evaluation gets the same answers from one prefill.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import Tensor

from mata_audio.cli.progress import StageProgress
from mata_audio.evaluation.item import Item
from mata_audio.models.asking import answer, same_length_batches
from mata_audio.models.loading import Loaded
from mata_audio.models.prompter import Prompter
from mata_audio.settings.mata import MATA
from mata_audio.settings.named import BASELINE
from mata_audio.steering.receipt import Receipt

BATCH = 64
MAX_NEW_TOKENS = 8


@dataclass(frozen=True)
class Run:
    """Both answers to every item, as the evaluation stores them, what MATA did, and the prompts."""

    lines: dict[str, dict[str, Any]]
    receipt: Receipt
    prompts: list[dict[str, Tensor]]


def write_clips(folder: Path, items: Sequence[Item]) -> list[Path]:
    """Write each item's clip as a WAV file; return the paths."""
    folder.mkdir(parents=True, exist_ok=True)
    paths = []
    with StageProgress("making clips", len(items)) as progress:
        for item in items:
            path = folder / item.audio[0].name
            path.write_bytes(item.audio[0].read())
            paths.append(path)
            progress.advance(1)
    return paths


def run_benchmark(loaded: Loaded, mata: MATA, items: Sequence[Item], clips: Sequence[Path]) -> Run:
    """Answer every item without and then with MATA, in the same batches.

    Raises:
        AudioError: a clip cannot be used.
    """
    prompter = Prompter.of(loaded)
    prompts: list[dict[str, Tensor]] = []
    with StageProgress("reading clips", len(clips)) as progress:
        for item, path in zip(items, clips, strict=True):
            prompts.append(prompter.inputs([item.question], [[prompter.load_clip(path)]]))
            progress.advance(1)
    baseline = _answers("without MATA", loaded, prompts)
    with mata(loaded.model) as applied:
        steered = _answers("with MATA", loaded, prompts)
    lines = {
        item.id: {"id": item.id, "answers": {BASELINE: before, "MATA": after}}
        for item, before, after in zip(items, baseline, steered, strict=True)
    }
    return Run(lines, applied.receipt, prompts)


def _answers(stage: str, loaded: Loaded, prompts: Sequence[dict[str, Tensor]]) -> list[str]:
    answers = [""] * len(prompts)
    with StageProgress(stage, len(prompts)) as progress:
        for batch in same_length_batches(prompts, BATCH):
            replies = answer(loaded, [prompts[index] for index in batch], MAX_NEW_TOKENS)
            for index, reply in zip(batch, replies, strict=True):
                answers[index] = reply
            progress.advance(len(batch))
    return answers
