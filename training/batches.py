"""Training batches: questions, captions and answers around cached audio features."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor
from transformers import Qwen2AudioProcessor

from build import CHOICES_PROMPT, SYSTEM_PROMPT
from features import audio_token_counts
from mata_audio.tiny.benchmark import SynthClip, ask, draw_choices, other_answer
from mata_audio.tiny.tasks import TASK_BY_NAME, TASKS

IGNORED = -100


@dataclass(frozen=True)
class TextMix:
    """How the text of a training batch is drawn; all values are probabilities.

    ``uncaptioned``: there is no caption. ``reliable``: a caption is right. ``varied_batches``: in a
    batch, prompts may list the choices, put the audio first, add a system prompt and lose words.
    """

    uncaptioned: float
    reliable: float
    varied_batches: float = 0.1


@dataclass
class ClipPool:
    """Clips with their features (clips, mels, frames) and valid frame counts (clips,)."""

    clips: Sequence[SynthClip]
    features: Tensor
    frames: Tensor

    def first(self, count: int) -> "ClipPool":
        """The first ``count`` clips."""
        return ClipPool(self.clips[:count], self.features[:count], self.frames[:count])


def conversation(question: str, audio_first: bool = False, system: bool = False) -> list[dict]:
    """Messages of one question about one clip; by default, the text comes before the audio."""
    parts = [{"type": "text", "text": question}, {"type": "audio"}]
    messages = [{"role": "user", "content": parts[::-1] if audio_first else parts}]
    if system:
        messages.insert(0, {"role": "system", "content": SYSTEM_PROMPT})
    return messages


def prompt_ids(
    processor: Qwen2AudioProcessor, messages: list[list[dict]], audio_tokens: Sequence[int]
) -> list[list[int]]:
    """Token ids of each conversation, as the processor would make them for clips of that length."""
    prompts = processor.apply_chat_template(messages, add_generation_prompt=True, tokenize=False)
    token = processor.audio_token
    expanded = [
        prompt.replace(token, token * int(count))
        for prompt, count in zip(prompts, audio_tokens, strict=True)
    ]
    return processor.tokenizer(expanded)["input_ids"]


def drop_words(rng: np.random.Generator, question: str, share: float) -> str:
    """``question`` with a share of its words replaced by the unknown token."""
    return " ".join("<unk>" if rng.random() < share else word for word in question.split())


def draw_prompt(
    rng: np.random.Generator, clip: SynthClip, mix: TextMix, varied: bool
) -> list[dict]:
    """A conversation about ``clip``, with or without a caption, drawn by ``mix``."""
    task = TASK_BY_NAME[clip.task]
    said = None
    if rng.random() >= mix.uncaptioned:
        reliable = rng.random() < mix.reliable
        said = clip.answer if reliable else other_answer(rng, task, clip.answer)
    question = ask(rng, task, said)
    if not varied:
        return conversation(question)
    if rng.random() < 0.5:
        choices = list(draw_choices(rng, task, clip.answer, said))
        question = f"{question} {CHOICES_PROMPT} {choices}."
    question = drop_words(rng, question, 0.03)
    return conversation(question, bool(rng.random() < 0.5), bool(rng.random() < 0.3))


def text_batch(
    rng: np.random.Generator,
    processor: Qwen2AudioProcessor,
    clips: Sequence[SynthClip],
    audio_tokens: Sequence[int],
    mix: TextMix,
) -> dict[str, Tensor]:
    """``input_ids``, ``attention_mask`` and ``labels`` (answer and end token only), left-padded."""
    varied = bool(rng.random() < mix.varied_batches)
    messages = [draw_prompt(rng, clip, mix, varied) for clip in clips]
    prompts = prompt_ids(processor, messages, audio_tokens)
    end = processor.tokenizer.eos_token
    answers = processor.tokenizer([clip.answer + end for clip in clips])["input_ids"]
    length = max(len(prompt) + len(answer) for prompt, answer in zip(prompts, answers, strict=True))
    ids = torch.full((len(clips), length), processor.tokenizer.pad_token_id)
    mask, labels = torch.zeros_like(ids), torch.full_like(ids, IGNORED)
    for row, (prompt, answer) in enumerate(zip(prompts, answers, strict=True)):
        ids[row, -len(prompt) - len(answer) :] = torch.tensor(prompt + answer)
        mask[row, -len(prompt) - len(answer) :] = 1
        labels[row, -len(answer) :] = torch.tensor(answer)
    return {"input_ids": ids, "attention_mask": mask, "labels": labels}


def training_batch(
    rng: np.random.Generator,
    processor: Qwen2AudioProcessor,
    pool: ClipPool,
    size: int,
    mix: TextMix,
) -> tuple[Tensor, dict[str, Tensor]]:
    """Random rows of the pool, and the text around them (see ``text_batch``)."""
    rows = torch.from_numpy(rng.choice(len(pool.clips), size=size, replace=False))
    counts = audio_token_counts(pool.frames[rows]).tolist()
    return rows, text_batch(rng, processor, [pool.clips[row] for row in rows], counts, mix)


ANSWERS = tuple(dict.fromkeys((task.name, answer) for task in TASKS for answer in task.answers))
ANSWER_INDEX = {pair: index for index, pair in enumerate(ANSWERS)}
TASK_INDEX = {task.name: index for index, task in enumerate(TASKS)}


def encoder_labels(clips: Sequence[SynthClip]) -> tuple[Tensor, Tensor]:
    """Task index and (task, answer) index of each clip, for training only the encoder."""
    tasks = torch.tensor([TASK_INDEX[clip.task] for clip in clips])
    answers = torch.tensor([ANSWER_INDEX[clip.task, clip.answer] for clip in clips])
    return tasks, answers
