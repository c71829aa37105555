"""Answer benchmark items the way a user does: processor, chat template, greedy ``generate``."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from tqdm import tqdm
from transformers import BatchFeature, Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor

from batches import conversation
from mata_audio.evaluation.results.significance import paired_figures
from mata_audio.tiny import TinyItem

BATCH = 96


@dataclass(frozen=True)
class PreparedItems:
    """Items with their model inputs, made once for all settings."""

    items: Sequence[TinyItem]
    batches: Sequence[BatchFeature]

    @property
    def answers(self) -> list[str]:
        """The right answers, in order."""
        return [item.answer for item in self.items]


def prepare(processor: Qwen2AudioProcessor, items: Sequence[TinyItem]) -> PreparedItems:
    """Synthesise the audio of ``items`` and run the processor on it."""
    batches = []
    for start in tqdm(range(0, len(items), BATCH), desc="inputs"):
        chunk = items[start : start + BATCH]
        prompts = processor.apply_chat_template(
            [conversation(item.question) for item in chunk],
            add_generation_prompt=True,
            tokenize=False,
        )
        rate = processor.feature_extractor.sampling_rate
        batches.append(
            processor(
                text=prompts,
                audio=[item.waveform() for item in chunk],
                sampling_rate=rate,
                padding=True,
                return_tensors="pt",
            )
        )
    return PreparedItems(items, batches)


@torch.inference_mode()
def generate_correct(
    model: Qwen2AudioForConditionalGeneration,
    processor: Qwen2AudioProcessor,
    prepared: PreparedItems,
) -> NDArray[np.bool_]:
    """Which generated answers, less special tokens, are exactly the right one, shape (items,)."""
    answers: list[str] = []
    for batch in prepared.batches:
        sequences = model.generate(**batch, do_sample=False, max_new_tokens=4)
        new = sequences[:, batch["input_ids"].shape[1] :]
        answers += processor.batch_decode(new, skip_special_tokens=True)
    return np.array([answer.strip() for answer in answers]) == np.array(prepared.answers)


def compare(baseline: NDArray[np.bool_], steered: NDArray[np.bool_]) -> dict[str, float]:
    """Accuracies (fractions), answers gained and lost, exact McNemar p and 95 % interval."""
    figures = paired_figures(baseline, steered)
    low, high = figures.interval
    return {
        "items": figures.items,
        "baseline": figures.baseline,
        "steered": figures.steered,
        "gained": figures.gained,
        "lost": figures.lost,
        "mcnemar_p": figures.p,
        "low": low,
        "high": high,
    }


def groups(items: Sequence[TinyItem]) -> dict[str, NDArray[np.bool_]]:
    """Masks of all items, of each condition and of each domain within each condition."""
    conditions = np.array([item.condition for item in items])
    domains = np.array([item.task.domain for item in items])
    masks = {"all": np.ones(len(items), dtype=bool)}
    for condition in dict.fromkeys(conditions.tolist()):
        masks[condition] = conditions == condition
        for domain in dict.fromkeys(domains.tolist()):
            masks[f"{condition} / {domain}"] = masks[condition] & (domains == domain)
    return masks


def compare_groups(
    items: Sequence[TinyItem], baseline: NDArray[np.bool_], steered: NDArray[np.bool_]
) -> dict[str, dict[str, float]]:
    """``compare`` for every group of ``groups``."""
    return {name: compare(baseline[mask], steered[mask]) for name, mask in groups(items).items()}
