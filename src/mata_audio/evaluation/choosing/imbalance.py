"""Profile: in which layers does a word get more of the last token's attention than audio?"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from mata_audio.evaluation.choosing.evidence import Evidence, window_evidence
from mata_audio.evaluation.choosing.measuring import Measuring
from mata_audio.families import locate
from mata_audio.models.prefill import Inputs
from mata_audio.profiling.gathering import counted, per_token
from mata_audio.profiling.prompt_reader import PromptBatch, PromptReader, generation
from mata_audio.settings.named import BASELINE, NamedSetting
from mata_audio.steering.token_kinds import token_kinds, vocabulary

UNIT = "attention to a word over attention to an audio token, natural logarithm"


def measure(measuring: Measuring) -> Evidence:
    """Choose the layers with the largest imbalance; no answers are needed."""
    loaded = measuring.loaded
    tokenizer = loaded.processor.tokenizer
    scores = [imbalance(loaded.model, batch.inputs, tokenizer) for batch in measuring.batches()]
    return window_evidence("profile", UNIT, np.concatenate(scores))


def imbalance(model: Any, inputs: Inputs, tokenizer: Any) -> NDArray[np.float64]:
    """Return how much more attention a word gets than an audio token, shape ``(batch, layers)``.

    It is the logarithm of a ratio: the last prompt token's attention, mean over heads, to a token
    of the system prompt or instruction, over that to an audio token. 0 means equal.

    Args:
        model: a supported model, not steered.
        inputs: prompts with audio and text, as the processor returns them.
        tokenizer: the model's.
    """
    located = locate(model)
    listener: Any = located.listener
    prompts = PromptBatch(located, inputs)
    kinds = token_kinds(
        prompts.ids, prompts.mask, vocabulary(listener.config, located.audio_token_id, tokenizer)
    )
    reader = PromptReader(located, prompts, generation(located, tokenizer, 0), settings=1)
    masses, *_ = reader.masses(NamedSetting(BASELINE, None), kinds)
    to_audio, to_word = per_token(masses.mean(axis=2), counted(kinds, prompts.audio))
    return np.log(to_word) - np.log(to_audio)
