"""The benchmark: items with audio, question, choices and one of three caption conditions.

Each item has a separate random stream, keyed by (split, seed, index). So splits share nothing, and
any item can be made again without the others. The index also fixes the cell (condition x task) and
the answer, so every prefix of 36 items is balanced over conditions, domains and tasks.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import soundfile
from numpy.typing import NDArray

from mata_audio.tiny.signals import SAMPLE_RATE, coloured_noise, unit_power
from mata_audio.tiny.tasks import TASK_BY_NAME, TASKS, TinyTask

CONDITIONS = ("no caption", "caption agrees", "caption contradicts")
SPLIT_CODES = {"train": 1, "tune": 2, "test": 3, "test-2": 4}
"""``test-2`` is for figures that nothing was chosen by: what is tried out is run on ``test``."""
DEFAULT_SIZES = {"train": 36_000, "tune": 2_160, "test": 2_412, "test-2": 2_412}
MAX_CHOICES = 4
MAX_SECONDS = 2.0
MIN_SECONDS = 1.0
NOISE_RANGE_DB = (-3.0, 20.0)


@dataclass(frozen=True)
class SynthClip:
    """A recipe for audio: ``seed`` keys the random stream, ``snr_db`` is the noise level."""

    task: str
    answer: str
    seconds: float
    snr_db: float
    seed: tuple[int, ...]

    def waveform(self) -> NDArray[np.float32]:
        """The audio, shape (samples,), 16 kHz, with amplitude at most 1."""
        rng = np.random.default_rng(self.seed)
        task = TASK_BY_NAME[self.task]
        signal = unit_power(task.synthesise(rng, self.answer, self.seconds))
        noise = unit_power(coloured_noise(rng, len(signal), rng.uniform(0.0, 0.9)))
        mixed = signal + noise * 10 ** (-self.snr_db / 20)
        return (mixed / np.abs(mixed).max() * rng.uniform(0.2, 0.9)).astype(np.float32)


@dataclass(frozen=True)
class TinyItem:
    """One question about one clip. ``question`` holds the caption, if there is one."""

    id: str
    split: str
    condition: str
    question: str
    choices: tuple[str, ...]
    answer: str
    clip: SynthClip

    @property
    def task(self) -> TinyTask:
        """The kind of question this is."""
        return TASK_BY_NAME[self.clip.task]

    @property
    def difficulty(self) -> str:
        """``easy``, ``medium`` or ``hard``, by the noise in the clip."""
        low, high = NOISE_RANGE_DB
        level = (self.clip.snr_db - self.task.snr_offset_db - low) / (high - low)
        return ("hard", "medium", "easy")[min(2, int(3 * level))]

    def waveform(self) -> NDArray[np.float32]:
        """The audio, shape (samples,), 16 kHz."""
        return self.clip.waveform()


def draw_clip(
    rng: np.random.Generator, task: TinyTask, answer: str, seed: tuple[int, ...]
) -> SynthClip:
    """A clip of random length and noise level for which ``answer`` is right."""
    return SynthClip(
        task=task.name,
        answer=answer,
        seconds=round(float(rng.uniform(MIN_SECONDS, MAX_SECONDS)), 3),
        snr_db=round(float(rng.uniform(*NOISE_RANGE_DB)) + task.snr_offset_db, 3),
        seed=seed,
    )


def caption_sentence(rng: np.random.Generator, task: TinyTask, said: str) -> str:
    """A caption that states that the answer is ``said``."""
    return f"Caption: {rng.choice(task.captions[said])}."


def ask(rng: np.random.Generator, task: TinyTask, said: str | None) -> str:
    """A question of the task, after a caption that states ``said`` (None: no caption)."""
    question = str(rng.choice(task.questions))
    return question if said is None else f"{caption_sentence(rng, task, said)} {question}"


def other_answer(rng: np.random.Generator, task: TinyTask, answer: str) -> str:
    """A wrong answer of the same task."""
    return str(rng.choice([name for name in task.answers if name != answer]))


def draw_choices(
    rng: np.random.Generator, task: TinyTask, answer: str, said: str | None
) -> tuple[str, ...]:
    """Up to four choices in random order, among them the answer and what the caption states."""
    kept = [answer] if said in (None, answer) else [answer, said]
    others = [name for name in task.answers if name not in kept]
    rng.shuffle(others)
    choices = (kept + others)[:MAX_CHOICES]
    rng.shuffle(choices)
    return tuple(choices)


def make_item(split: str, seed: int, index: int) -> TinyItem:
    """Item ``index`` of a split, the same whatever the size of the split."""
    clip_seed = (SPLIT_CODES[split], seed, index)
    rng = np.random.default_rng((*clip_seed, 0))
    condition = CONDITIONS[index % len(CONDITIONS)]
    task = TASKS[index // len(CONDITIONS) % len(TASKS)]
    answer = task.answers[index // (len(CONDITIONS) * len(TASKS)) % len(task.answers)]
    said = {
        "no caption": None,
        "caption agrees": answer,
        "caption contradicts": other_answer(rng, task, answer),
    }[condition]
    return TinyItem(
        id=f"tiny-{split}-{seed}-{index:06d}",
        split=split,
        condition=condition,
        question=ask(rng, task, said),
        choices=draw_choices(rng, task, answer, said),
        answer=answer,
        clip=draw_clip(rng, task, answer, clip_seed),
    )


def make_items(split: str, n: int | None = None, seed: int = 0) -> list[TinyItem]:
    """The first ``n`` items of a split (a key of ``SPLIT_CODES``), without their audio.

    Each prefix of 36 is balanced over conditions and tasks; audio is made by ``TinyItem.waveform``.
    """
    if split not in SPLIT_CODES:
        raise ValueError(f"unknown split {split!r}: allowed are {', '.join(SPLIT_CODES)}")
    count = DEFAULT_SIZES[split] if n is None else n
    if count < 1:
        raise ValueError(f"n must be at least 1, not {count}")
    if seed < 0:
        raise ValueError(f"seed must not be negative, not {seed}")
    return [make_item(split, seed, index) for index in range(count)]


def mmau_record(item: TinyItem, audio_id: str) -> dict[str, object]:
    """The item as a record of MMAU's question file; the condition is its ``sub-category``."""
    return {
        "id": item.id,
        "audio_id": audio_id,
        "question": item.question,
        "choices": list(item.choices),
        "answer": item.answer,
        "dataset": "mata-tiny",
        "task": item.task.domain,
        "split": item.split,
        "category": item.task.name,
        "sub-category": item.condition,
        "difficulty": item.difficulty,
    }


def write_benchmark(folder: str | Path, items: Sequence[TinyItem]) -> Path:
    """Write ``audio/<id>.wav`` (16 kHz, 16 bit) and ``benchmark.json``; return the JSON's path.

    ``audio_id`` is the path of the WAV file relative to ``folder``.
    """
    root = Path(folder)
    (root / "audio").mkdir(parents=True, exist_ok=True)
    records = []
    for item in items:
        audio_id = f"audio/{item.id}.wav"
        soundfile.write(root / audio_id, item.waveform(), SAMPLE_RATE, subtype="PCM_16")
        records.append(mmau_record(item, audio_id))
    path = root / "benchmark.json"
    path.write_text(json.dumps(records, indent=1) + "\n", encoding="utf-8")
    return path
