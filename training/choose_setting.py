"""Choose alpha and layers for MATA on the tune split.

MATA changes nothing before the last prompt token. So the rest of each prompt is read once, its
cache serves every setting, and a setting costs one token per item.
"""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import BatchFeature, Qwen2AudioForConditionalGeneration, Qwen2AudioProcessor
from transformers.cache_utils import Cache

from evaluate import PreparedItems, compare
from mata_audio import MATA

ALPHAS = (0.1, 0.3, 0.6, 1.0, 1.5, 2.0)
WINDOWS = ("4-8", "2-6", "3-7", "5-9", "6-10", "7-11", "0-3", "0-5", "6-11", "0-11")


@dataclass(frozen=True)
class Trial:
    """One setting of the grid and its figures on the tune split."""

    setting: MATA
    figures: dict[str, float]
    contradicting: dict[str, float]

    @property
    def net(self) -> int:
        """Answers gained minus answers lost, over all conditions."""
        return int(self.figures["gained"] - self.figures["lost"])


@dataclass(frozen=True)
class Prefilled:
    """A batch of prompts with the cache of all but their last token."""

    batch: BatchFeature
    cache: Cache
    expected: torch.Tensor


@torch.inference_mode()
def prefill(
    model: Qwen2AudioForConditionalGeneration,
    processor: Qwen2AudioProcessor,
    prepared: PreparedItems,
) -> list[Prefilled]:
    """Read every prompt once; ``expected`` is the first token of each right answer."""
    tokens = [processor.tokenizer(answer)["input_ids"][0] for answer in prepared.answers]
    ready, start = [], 0
    for batch in prepared.batches:
        # Counted as ``generate`` counts: padding has no position.
        positions = (batch["attention_mask"].cumsum(-1) - 1).clamp(min=0)
        cache = model(**batch, position_ids=positions, use_cache=True).past_key_values
        cache.crop(-1)
        end = start + len(batch["input_ids"])
        ready.append(Prefilled(batch, cache, torch.tensor(tokens[start:end])))
        start = end
    return ready


@torch.inference_mode()
def first_word_correct(
    model: Qwen2AudioForConditionalGeneration, ready: list[Prefilled]
) -> NDArray[np.bool_]:
    """Whether each first token, which differs between answers, is right; shape (items,)."""
    right = []
    for prompt in ready:
        new = model.generate(
            input_ids=prompt.batch["input_ids"],
            attention_mask=prompt.batch["attention_mask"],
            past_key_values=prompt.cache,
            do_sample=False,
            max_new_tokens=1,
        )[:, -1]
        prompt.cache.crop(-1)
        right.append(new == prompt.expected)
    return torch.cat(right).numpy()


def search(
    model: Qwen2AudioForConditionalGeneration,
    processor: Qwen2AudioProcessor,
    prepared: PreparedItems,
    report: Callable[[str], None],
) -> list[Trial]:
    """Try every setting of the grid on the tune items; returns them, best net gain first."""
    ready = prefill(model, processor, prepared)
    baseline = first_word_correct(model, ready)
    mask = np.array([item.condition == "caption contradicts" for item in prepared.items])
    trials = []
    for layers in WINDOWS:
        for alpha in ALPHAS:
            setting = MATA(alpha=alpha, layers=layers)
            with setting(model):
                steered = first_word_correct(model, ready)
            figures = compare(baseline, steered)
            trials.append(Trial(setting, figures, compare(baseline[mask], steered[mask])))
        report(f"layers {layers}: net gains {[trial.net for trial in trials[-len(ALPHAS) :]]}")
    return sorted(trials, key=lambda trial: (-trial.net, trial.setting.alpha))
