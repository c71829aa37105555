"""Items a second of an evaluation: exact and padded batches, at the lengths of real benchmarks.

Run with ``make bench-throughput``. Clips of noise have the lengths of MMAU's and MMAR's, and
questions are the real ones if their files are there (``--questions``). First, all questions are
only put into batches, as prompts of the lengths that they would have. Then some are run as for
users: decoding, features, prompts, one prefill with one setting, results on disk. The ratio of each
round is to that round's exact batches of the first size.
"""

from __future__ import annotations

import argparse
import itertools
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import torch
import transformers

from interleaved import measure_rounds, median_ratio
from mata_audio import MATA
from mata_audio.evaluation.data.audio_sources import FileAudio
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.running.batch_limit import BATCHINGS, BatchLimit
from mata_audio.evaluation.running.grouping import batches_of
from mata_audio.evaluation.running.plan import Options
from mata_audio.evaluation.task import Grouping, Task
from mata_audio.families import family_named
from mata_audio.models.loading import Loaded
from noise_questions import (
    FILES,
    PUBLISHED,
    clip_seconds,
    prompt_of_length,
    read_questions,
    write_clips,
)
from random_model import DEVICE, random_qwen2_audio
from stand_in import processor, tokenizer
from timed_evaluation import evaluate


class Lengths(Task):
    """Items about clips of given lengths; nothing is scored."""

    name: ClassVar[str] = "lengths"
    title: ClassVar[str] = "Lengths"
    splits: ClassVar[tuple[str, ...]] = ("all",)
    groupings: ClassVar[tuple[Grouping, ...]] = ()
    needs_data: ClassVar[bool] = False

    def __init__(self, items: Sequence[Item]) -> None:
        self._items = tuple(items)

    def load(self, data: str | Path | None, split: str) -> Dataset:
        """Return the items."""
        return Dataset(self.name, split, self._items, {})

    def outcomes(self, records: Sequence[Mapping[str, Any]]) -> list[bool | None]:
        """Score nothing."""
        return [None] * len(records)


def main() -> None:
    """Print a line for each kind of lengths, batch size and batching."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=128)
    parser.add_argument("--sizes", default="8,16,64")
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--width", type=int, default=256, help="a multiple of 256")
    parser.add_argument("--dtype", default="float32")
    parser.add_argument("--new-tokens", type=int, default=4)
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--workers", type=int, default=4)
    parser.add_argument("--questions", type=Path, default=PUBLISHED)
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    print(
        f"{args.layers} layers x {args.width} wide, {args.dtype}, {DEVICE}, torch "
        f"{torch.__version__}, {args.items} items, {args.new_tokens} new tokens, baseline and one "
        f"setting, {args.rounds} rounds"
    )
    print(f"{'':22}{'items/s':>9}{'ratio':>8}{'mean batch':>12}{'padding':>9}{'first answers':>15}")
    for name, file in FILES.items():
        only_batches(name, read_questions(args.questions / file, 1000), sizes_of(args))
    for name, file in FILES.items():
        with tempfile.TemporaryDirectory() as folder:
            measure(name, Path(folder), args, args.questions / file)


def sizes_of(args: argparse.Namespace) -> list[int]:
    """Return the batch sizes to try."""
    return [int(size) for size in args.sizes.split(",")]


def only_batches(name: str, questions: Sequence[dict[str, Any]], sizes: Sequence[int]) -> None:
    """Print how full the batches of all questions would be, and how much of them is padding."""
    words = tokenizer([question["question"] for question in questions])
    draw = np.random.default_rng(0)
    prompts = []
    for number, question in enumerate(questions):
        text = " ".join([question["question"], *map(str, question["choices"])])
        tokens = len(words(text).input_ids) + round(25 * clip_seconds(name, number, draw))
        prompts.append(prompt_of_length(number, tokens))
    for size in sizes:
        limits = itertools.repeat(BatchLimit(prompts=size)).__next__
        for batching in BATCHINGS:
            batches = list(batches_of(prompts, batching, limits))
            slots = sum(len(own) * max(one.tokens for one in own) for own in batches)
            padding = 1 - sum(one.tokens for own in batches for one in own) / slots
            mean = len(prompts) / len(batches)
            print(
                f"{name} {batching:7} at {size:<5}{len(prompts):>7,} prompts:"
                f"{mean:>13.1f} {mean / size:>4.0%}{padding:>9.1%}"
            )


def measure(name: str, folder: Path, args: argparse.Namespace, file: Path) -> None:
    """Print the lines of one kind of lengths."""
    items = list(make_items(name, folder, read_questions(file, args.items)))
    loaded = build(args, [item.question for item in items])
    task = Lengths(items)
    sizes = sizes_of(args)
    fixed = {"workers": args.workers, "max_new_tokens": args.new_tokens}
    variants = {
        (batching, size): partial(
            evaluate,
            loaded,
            task,
            None,
            [MATA()],
            Options(batching=batching, batch_size=size, **fixed),
            folder,
        )
        for size in sizes
        for batching in ("exact", "padded")
    }
    costs = measure_rounds({str(key): own for key, own in variants.items()}, args.rounds)
    base = [own.seconds for own in costs[str(("exact", sizes[0]))]]
    for batching, size in variants:
        runs = costs[str((batching, size))]
        rate = statistics.median(own.rate for own in runs)
        ratio = 1 / median_ratio([own.seconds for own in runs], base)
        first = statistics.median(own.first for own in runs)
        print(
            f"{name} {batching:7} at {size:<5}{rate:>12.2f}{ratio:>7.2f}x"
            f"{runs[0].mean:>7.1f} {runs[0].mean / size:>4.0%}{runs[0].padding:>9.1%}"
            f"{first:>13.1f} s",
            flush=True,
        )


def make_items(name: str, folder: Path, questions: list[dict[str, Any]]) -> Iterator[Item]:
    """Write a clip of noise for each question, and yield the items."""
    for number, (path, question) in enumerate(write_clips(name, folder, questions)):
        choices = tuple(str(choice) for choice in question["choices"])
        yield Item(str(number), (FileAudio(path),), question["question"], choices, choices[0])


def build(args: argparse.Namespace, texts: Sequence[str]) -> Loaded:
    """Return a random Qwen2-Audio with a very small encoder, and the real feature extractor."""
    words = tokenizer(texts)
    model = random_qwen2_audio(
        args.layers,
        args.width,
        {"num_mel_bins": 128, "max_source_positions": 1500},
        len(words),
        words.convert_tokens_to_ids("<|AUDIO|>"),
        words.pad_token_id,
    )
    model.to(DEVICE, getattr(torch, args.dtype))
    family = family_named("qwen2_audio", "this benchmark")
    return Loaded(model, processor(words), "random", family)


if __name__ == "__main__":
    main()
