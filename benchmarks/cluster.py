"""What a cluster costs: how busy its actors are, what the driver does, and 9,000 items on paper.

Run with ``make bench-cluster``; it needs Ray. Clips have lengths as MMAR's. First a random model
is timed on this machine's CPU: batches of several lengths, and preparing a clip. Then real actors
get all batches of MMAR's 1,000 items, and spend on each the time that its length says, asleep, so
that they do not wait for each other's CPU. Then the driver's part of a batch is timed: scoring and
storing the answers of eight items under thirty settings. The last table is a simulation with these.
"""

from __future__ import annotations

import argparse
import heapq
import os
import pickle
import statistics
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import ray
import torch
import transformers

from mata_audio import MATA
from mata_audio.evaluation import NamedSetting
from mata_audio.evaluation.cluster import passes, working
from mata_audio.evaluation.cluster.starting import ray_running
from mata_audio.evaluation.results.scores import AnswerScores
from mata_audio.evaluation.running.answering import Answered, Answerer
from mata_audio.evaluation.running.batch_limit import BatchLimit
from mata_audio.evaluation.running.executor import loaded_model
from mata_audio.evaluation.running.grouping import batches_of
from mata_audio.evaluation.running.plan import Options, make_plan
from mata_audio.evaluation.running.prepare import Prepared, preparer_of
from mata_audio.evaluation.running.recorder import Recorder
from mata_audio.families import family_named
from mata_audio.models.loading import Loaded
from mata_audio.models.one_prefill import generate_all, greedy
from mata_audio.models.prompter import Prompter
from mata_audio.storage.items_file import ItemStore
from noise_questions import clip_seconds, prompt_of_length
from random_model import DEVICE, random_qwen2_audio
from stand_in import processor, tokenizer

BATCH = 8
TOKENS_A_SECOND, WORDS = 25, 60
"""Audio tokens a second of sound, and text tokens of a prompt, about as in MMAR."""


@dataclass(frozen=True)
class Costs:
    """Seconds that a batch takes: ``fixed``, and ``slot`` for each prompt token and its padding."""

    fixed: float
    slot: float

    def seconds(self, slots: int) -> float:
        """Return what a batch takes."""
        return self.fixed + self.slot * slots


def main() -> None:
    """Print all parts."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--items", type=int, default=1000)
    parser.add_argument("--actors", default="2,4")
    parser.add_argument("--layers", type=int, default=28)
    parser.add_argument("--width", type=int, default=256, help="a multiple of 256")
    parser.add_argument("--faster", type=float, default=4.0, help="divides the actors' seconds")
    parser.add_argument("--only-busy", action="store_true", help="leave out what comes after")
    parser.add_argument("--load", type=float, default=120.0, help="seconds to load the model")
    args = parser.parse_args()
    transformers.logging.set_verbosity_error()
    batches = mmar_batches(args.items)
    loaded = build(args)
    costs = measured_costs(loaded)
    print(
        f"{args.layers} layers x {args.width} wide, {DEVICE}, torch {torch.__version__}: a batch "
        f"takes {costs.fixed:.2f} s + {1000 * costs.slot:.3f} ms for each of its prompt tokens",
        flush=True,
    )
    preparing(loaded)
    own = [costs.seconds(slots) / args.faster for slots in batches]
    print(
        f"MMAR, {args.items} items: {len(own)} batches of {min(own):.1f} to {max(own):.1f} s, "
        f"mean {statistics.mean(own):.1f} s, {args.faster:g} times faster than measured"
    )
    for actors in map(int, args.actors.split(",")):
        busy(own, actors)
    if args.only_busy:
        return
    storing = driver()
    many = mmar_batches(9000)
    relative = [costs.seconds(slots) for slots in many]
    simulated([each / statistics.mean(relative) for each in relative], storing, args.load)


def mmar_batches(count: int) -> list[int]:
    """Return the slots of each padded batch of items with MMAR's lengths."""
    draw = np.random.default_rng(0)
    prompts = []
    for number in range(count):
        tokens = WORDS + round(TOKENS_A_SECOND * clip_seconds("mmar", number, draw))
        prompts.append(prompt_of_length(number, tokens))
    made = batches_of(prompts, "padded", lambda: BatchLimit(prompts=BATCH))
    return [len(own) * max(one.tokens for one in own) for own in made]


def build(args: argparse.Namespace) -> Loaded:
    """Return a random Qwen2-Audio with a very small encoder, and the real feature extractor."""
    words = tokenizer(["which sound is this?"])
    model = random_qwen2_audio(
        args.layers,
        args.width,
        {"num_mel_bins": 128, "max_source_positions": 1500},
        len(words),
        words.convert_tokens_to_ids("<|AUDIO|>"),
        words.pad_token_id,
    )
    family = family_named("qwen2_audio", "this benchmark")
    return Loaded(model.to(DEVICE), processor(words), "random", family)


def inputs_of(loaded: Loaded, seconds: float, prompts: int) -> Any:
    """Return a batch of equal prompts about noise."""
    clip = 0.1 * np.random.default_rng(0).standard_normal(round(16_000 * seconds))
    clips = [[clip.astype(np.float32)]] * prompts
    return Prompter.of(loaded).inputs(["which sound is this?"] * prompts, clips)


def measured_costs(loaded: Loaded) -> Costs:
    """Time batches of several lengths, under the baseline and one setting, and fit a line."""
    settings = [NamedSetting("baseline", None), NamedSetting("MATA", MATA())]
    config = greedy(loaded.model, loaded.processor.tokenizer, 4)
    slots, seconds = [], []
    for length in (2.0, 8.0, 15.0, 25.0):
        inputs = inputs_of(loaded, length, BATCH)
        rounds = []
        for _ in range(2):
            start = time.monotonic()
            generate_all(loaded.model, inputs, settings, config, {}, loaded.processor.tokenizer)
            rounds.append(time.monotonic() - start)
        slots.append(inputs["input_ids"].numel())
        seconds.append(min(rounds))
    slope, fixed = np.polyfit(slots, seconds, 1)
    return Costs(max(float(fixed), 0.0), float(slope))


def preparing(loaded: Loaded) -> None:
    """Print what preparing an item costs, and what a batch takes in the object store."""
    start = time.monotonic()
    rounds = 10
    for _ in range(rounds):
        inputs = inputs_of(loaded, 20.0, 1)
    each = (time.monotonic() - start) / rounds
    size = sum(value.nbytes for value in inputs.values())
    print(
        f"preparing an item of 20 s: {each:.3f} s of CPU, and {size / 1e6:.2f} MB: "
        f"{BATCH * size / 1e6:.0f} MB for a batch of {BATCH} in the object store",
        flush=True,
    )


class Sleeping(working.Actor):
    """An actor that spends the time that each batch takes, asleep."""

    def __init__(self, job: Any, attempts: Any) -> None:
        self._seconds: list[float] = ray.get(job)
        self._attempts = attempts

    def __call__(self, row: dict[str, Any]) -> dict[str, Any]:
        """Spend the time of a row; return when it was."""
        working._ended("answer", row, self._attempts)
        start = time.time()
        time.sleep(self._seconds[row["step"]])
        found = (os.getpid(), start, time.time())
        return {"step": row["step"], "found": pickle.dumps(found)}


def unprepared(row: dict[str, Any], job: Any, attempts: Any) -> dict[str, Any]:
    """Prepare nothing, so that the CPUs here are free."""
    return {**row, "made": b"\0" * 1_000_000}


def busy(seconds: Sequence[float], actors: int) -> None:
    """Print which share of the time real actors work, from the first batch to the last."""
    longest_first = sorted(seconds, reverse=True)
    begun = time.time()
    with ray_running(None, actors + 3, None):
        work = passes.Work(ray.put(longest_first), ray.remote(num_cpus=0)(working.Attempts))
        rows = [[number] for number in range(len(longest_first))]
        data = passes.answered(rows, work, 2, actors, 0.0, Sleeping, unprepared)
        spans = [found for _, found in passes.arriving(data)]
    first, last = min(own[1] for own in spans), max(own[2] for own in spans)
    worked = sum(end - start for _, start, end in spans)
    own = {process: 0.0 for process, _, _ in spans}
    for process, start, end in spans:
        own[process] += end - start
    share = worked / (len(own) * (last - first))
    least = min(own.values()) / (last - first)
    gap = (len(own) * (last - first) - worked) / len(spans)
    print(
        f"{len(own)} actors: busy {share:.3f}, the least busy one {least:.3f}, "
        f"{1000 * gap:.0f} ms between batches, {last - first:.0f} s, after {first - begun:.0f} s "
        "of starting",
        flush=True,
    )


def driver() -> float:
    """Print and return the seconds that the driver spends on a batch under thirty settings."""
    torch.set_num_threads(1)
    settings = [NamedSetting(f"alpha {n}", MATA(alpha=0.1 * n)) for n in range(1, 31)]
    plan = make_plan("tiny", "tiny", None, settings, Options(limit=10 * BATCH, device="cpu"))
    loaded = loaded_model(plan)
    prepare, answer = preparer_of(plan, loaded), Answerer(plan, loaded, BatchLimit(prompts=BATCH))
    answered: list[Answered] = []
    for number in range(0, len(plan.items), BATCH):
        made = [prepare(item) for item in plan.items[number : number + BATCH]]
        same = max((own for own in made if isinstance(own, Prepared)), key=lambda own: own.tokens)
        batch = [Prepared(own.item, same.inputs, same.clips) for own in made]
        answered.append(answer(batch))
    seconds = []
    with tempfile.TemporaryDirectory(dir=".") as folder:
        file = Path(folder) / "items.jsonl"
        scores = AnswerScores(plan.task, plan.reader)
        recorder = Recorder(
            plan, ItemStore(file), scores, BatchLimit(prompts=BATCH), lambda _: None
        )
        for own in answered:
            sent = pickle.dumps(own)
            start = time.monotonic()
            recorder.save(pickle.loads(sent))
            seconds.append(time.monotonic() - start)
        stored = file.stat().st_size / len(plan.items)
    found = statistics.median(seconds)
    print(
        f"the driver, a batch of {BATCH} items x 30 settings: {1000 * found:.1f} ms to score and "
        f"store ({1000 * max(seconds):.1f} at most), {len(sent) / 1e3:.0f} kB received, "
        f"{stored / 1e3:.1f} kB an item in items.jsonl",
        flush=True,
    )
    return found


def simulated(relative: Sequence[float], storing: float, load: float) -> None:
    """Print hours and busy shares on 1, 8 and 64 GPUs, for several assumed costs of an item."""
    print(
        f"{len(relative):,} batches; {load:g} s to load the model (assumed), {1000 * storing:.1f} "
        "ms to store a batch (measured)"
    )
    for item in (0.5, 2.0, 8.0):
        cells = []
        for gpus in (1, 8, 64):
            costs = sorted((item * BATCH * own for own in relative), reverse=True)
            end, share, behind = on_gpus(costs, gpus, load, storing)
            cells.append(f"{gpus} GPUs {end / 3600:.2f} h, busy {share:.3f}, behind {behind:.2f} s")
        print(f"{item:g} s an item (assumed)  " + "; ".join(cells))
    for item in (0.5, 2.0, 8.0):
        print(f"at {item:g} s an item the driver keeps up with {item * BATCH / storing:,.0f} GPUs")


def on_gpus(
    costs: Sequence[float], gpus: int, load: float, storing: float
) -> tuple[float, float, float]:
    """Return the end, the share of the time that GPUs work, and how far the driver falls behind."""
    free = [load] * gpus
    ends = []
    for cost in costs:
        end = heapq.heappop(free) + cost
        ends.append(end)
        heapq.heappush(free, end)
    stored = behind = 0.0
    for end in sorted(ends):
        stored = max(stored, end) + storing
        behind = max(behind, stored - end)
    return stored, sum(costs) / (gpus * stored), behind


if __name__ == "__main__":
    main()
