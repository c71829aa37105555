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
import json
import statistics
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import soundfile
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers, trainers

from interleaved import measure_rounds, median_ratio, now
from mata_audio import MATA
from mata_audio.evaluation.data.audio_sources import FileAudio
from mata_audio.evaluation.item import Dataset, Item
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.batches import HELD_BYTES
from mata_audio.evaluation.running.evaluate import run_plan
from mata_audio.evaluation.running.grouping import exact_batches, padded_batches
from mata_audio.evaluation.running.plan import Options, make_plan
from mata_audio.evaluation.running.prepare import Prepared
from mata_audio.evaluation.running.runner import Progress
from mata_audio.evaluation.task import Grouping, Task
from mata_audio.families import family_named
from mata_audio.models.loading import Loaded
from mata_audio.storage.run_folder import RunFolder
from random_model import DEVICE, random_qwen2_audio

RATE = 16_000
FILES = {"mmau": "mmau-test-mini.json", "mmar": "MMAR-meta.jsonl"}
TEMPLATE = (
    "{% for message in messages %}{% for part in message['content'] %}{% if part['type'] == "
    "'audio' %}<|audio_bos|><|AUDIO|><|audio_eos|>{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{% endfor %}"
)


@dataclass(frozen=True)
class Run:
    """What one evaluation took.

    Args:
        seconds: in all.
        first: until the first answers.
        mean: items in a batch.
        padding: share of the prompt tokens.
    """

    seconds: float
    first: float
    mean: float
    padding: float


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
    parser.add_argument("--questions", type=Path, default=Path("../shared/benchmarks"))
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
        inputs = {"input_ids": torch.zeros(1, tokens, dtype=torch.int8)}
        prompts.append(Prepared(Item(str(number), (), "", (), None), inputs, ()))
    for size in sizes:
        limits = itertools.repeat(BatchLimit(prompts=size)).__next__
        for batching, found in (
            ("exact", exact_batches(prompts, limits, HELD_BYTES)),
            ("padded", padded_batches(prompts, limits, HELD_BYTES)),
        ):
            batches = list(found)
            slots = sum(len(own) * max(one.tokens for one in own) for own in batches)
            padding = 1 - sum(one.tokens for own in batches for one in own) / slots
            mean = len(prompts) / len(batches)
            print(
                f"{name} {batching:7} at {size:<5}{len(prompts):>7,} prompts:"
                f"{mean:>13.1f} {mean / size:>4.0%}{padding:>9.1%}"
            )


def clip_seconds(name: str, number: int, draw: np.random.Generator) -> float:
    """Return how long a clip is, about as in the benchmark."""
    if name == "mmau":  # a third each: sounds of ten seconds, music up to thirty, sentences
        seconds = (10.0, draw.uniform(8, 30), 2 + draw.gamma(2, 4))[number % 3]
    else:
        seconds = draw.gamma(2.5, 8)
    return float(np.clip(seconds, 1, 30))


def measure(name: str, folder: Path, args: argparse.Namespace, file: Path) -> None:
    """Print the lines of one kind of lengths."""
    items = list(make_items(name, folder, read_questions(file, args.items)))
    loaded = build(args, [item.question for item in items])
    task = Lengths(items)
    sizes = sizes_of(args)
    variants = {
        (batching, size): partial(run, loaded, task, folder, args, batching, size)
        for size in sizes
        for batching in ("exact", "padded")
    }
    costs = measure_rounds({str(key): own for key, own in variants.items()}, args.rounds)
    base = [own.seconds for own in costs[str(("exact", sizes[0]))]]
    for batching, size in variants:
        runs = costs[str((batching, size))]
        rate = statistics.median(len(items) / own.seconds for own in runs)
        ratio = 1 / median_ratio([own.seconds for own in runs], base)
        first = statistics.median(own.first for own in runs)
        print(
            f"{name} {batching:7} at {size:<5}{rate:>12.2f}{ratio:>7.2f}x"
            f"{runs[0].mean:>7.1f} {runs[0].mean / size:>4.0%}{runs[0].padding:>9.1%}"
            f"{first:>13.1f} s",
            flush=True,
        )


def run(
    loaded: Loaded, task: Task, folder: Path, args: argparse.Namespace, batching: str, size: int
) -> Run:
    """Evaluate once and return what it took."""
    options = Options(
        batching=batching,
        batch_size=size,
        workers=args.workers,
        max_new_tokens=args.new_tokens,
    )
    answered: list[float] = []
    last: list[Progress] = []

    def report(progress: Progress) -> None:
        answered.append(now())
        last[:] = [progress]

    start = now()
    with tempfile.TemporaryDirectory(dir=folder) as out:
        plan = make_plan(loaded, task, None, [MATA()], options)
        run_plan(plan, RunFolder(Path(out) / "run"), report)
    (progress,) = last
    return Run(
        now() - start,
        answered[0] - start,
        progress.done / progress.batches,
        progress.padding or 0.0,
    )


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


def make_items(name: str, folder: Path, questions: Sequence[dict[str, Any]]) -> Iterator[Item]:
    """Write a clip of noise for each question, and yield the items."""
    draw = np.random.default_rng(0)
    for number, question in enumerate(questions):
        seconds = clip_seconds(name, number, draw)
        path = folder / f"{name}-{number}.wav"
        sound = 0.1 * draw.standard_normal(round(seconds * RATE))
        soundfile.write(path, sound, RATE, subtype="PCM_16")
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
    processor = transformers.Qwen2AudioProcessor(
        transformers.WhisperFeatureExtractor(feature_size=128), words, chat_template=TEMPLATE
    )
    return Loaded(model, processor, "random", family_named("qwen2_audio", "this benchmark"))


def tokenizer(texts: Sequence[str]) -> Any:
    """Return a byte-level tokenizer trained on the questions, with Qwen's special tokens."""
    base = Tokenizer(models.BPE())
    base.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    trainer = trainers.BpeTrainer(
        vocab_size=4000,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    base.train_from_iterator(texts, trainer)
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=base,
        pad_token="<|endoftext|>",
        eos_token="<|im_end|>",
        extra_special_tokens={
            "audio_token": "<|AUDIO|>",
            "audio_bos_token": "<|audio_bos|>",
            "audio_eos_token": "<|audio_eos|>",
        },
        padding_side="left",
    )


if __name__ == "__main__":
    main()
