"""Asking a loaded model questions about clips: prompts, batches, greedy answers."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.audio import load_audio
from mata_audio.errors import SettingsError
from mata_audio.families import PromptStyle
from mata_audio.loading import TINY, Found, Loaded

Clip = NDArray[np.float32]

MIN_FRAMES = 7
"""Fewest mel frames that make two audio tokens, in Whisper-like encoders (two steps halve them).
A clip of one token looks to Transformers like a legacy prompt of Qwen2-Audio."""


TINY_STYLE = PromptStyle(audio_first=False)
"""The embedded model was trained with the question before the clip."""


@dataclass(frozen=True)
class ClipLimits:
    """What a model hears of a clip: sampling rate in Hz, least and greatest duration in seconds."""

    sampling_rate: int
    shortest: float
    longest: float


def clip_limits(processor: Any) -> ClipLimits:
    """Return the limits of a processor; beyond the longest it would cut clips without a word."""
    extractor = processor.feature_extractor
    rate = extractor.sampling_rate
    shortest = ((MIN_FRAMES - 1) * extractor.hop_length + 1) / rate
    return ClipLimits(rate, shortest, extractor.n_samples / rate)


def load_clip(processor: Any, path: str | Path) -> Clip:
    """Read an audio file for a model, shape ``(samples,)``.

    Raises:
        AudioError: as for :func:`mata_audio.audio.load_audio`, with the model's limits.
    """
    limits = clip_limits(processor)
    return load_audio(path, limits.sampling_rate, limits.shortest, limits.longest)


def prompt_style(model: Found | Loaded) -> PromptStyle:
    """Return how to put a question to ``model``."""
    if model.name == TINY:
        return TINY_STYLE
    return model.family.prompt_style


def build_inputs(
    processor: Any, style: PromptStyle, question: str, clips: Sequence[Clip]
) -> dict[str, Tensor]:
    """Return the model inputs of one question about one or more clips, a batch of one.

    Raises:
        SettingsError: the question is empty or holds the audio token.
    """
    if not question.strip():
        raise SettingsError("the question is empty")
    token = getattr(processor, "audio_token", None)
    if token and token in question:
        raise SettingsError(f"the question must not contain the model's audio token {token}")
    inputs = processor(
        text=chat_prompt(processor, style, question, len(clips)),
        audio=list(clips),
        sampling_rate=processor.feature_extractor.sampling_rate,
        return_tensors="pt",
        padding=True,
    )
    return dict(inputs)


def chat_prompt(processor: Any, style: PromptStyle, question: str, clips: int) -> str:
    """Return the text of a prompt, with one audio token for each of ``clips`` clips."""
    audio = [{"type": "audio"} for _ in range(clips)]
    text = [{"type": "text", "text": question}]
    content = audio + text if style.audio_first else text + audio
    messages = [{"role": "user", "content": content}]
    if style.system is not None:
        messages.insert(0, {"role": "system", "content": [{"type": "text", "text": style.system}]})
    prompt: str = processor.apply_chat_template(
        messages, add_generation_prompt=True, tokenize=False
    )
    return prompt


def unknown_words(processor: Any, question: str) -> list[str]:
    """Return the words that the tokenizer has no token for."""
    tokenizer = processor.tokenizer
    unknown = tokenizer.unk_token_id
    if unknown is None:
        return []
    words = question.split()
    return [
        word for word in words if unknown in tokenizer(word, add_special_tokens=False).input_ids
    ]


def same_length_batches(prompts: Sequence[dict[str, Tensor]], size: int) -> list[list[int]]:
    """Group prompts into batches of at most ``size`` with one length each.

    Without padding, no prompt's answer depends on which others share its batch.

    Returns:
        Indices into ``prompts``, shortest prompts first.
    """
    by_length: dict[int, list[int]] = defaultdict(list)
    for index, prompt in enumerate(prompts):
        by_length[prompt["input_ids"].shape[1]].append(index)
    return [
        indices[start : start + size]
        for _, indices in sorted(by_length.items())
        for start in range(0, len(indices), size)
    ]


def answer(
    loaded: Loaded, prompts: Sequence[dict[str, Tensor]], max_new_tokens: int = 256
) -> list[str]:
    """Answer prompts of one length greedily, in one batch.

    Args:
        loaded: the model, steered or not.
        prompts: from :func:`build_inputs`.
        max_new_tokens: longest answer.

    Returns:
        One answer for each prompt, without special tokens and surrounding space.
    """
    model: Any = loaded.model
    tokenizer = loaded.processor.tokenizer
    batch = {
        name: torch.cat([prompt[name] for prompt in prompts]).to(model.device)
        for name in prompts[0]
    }
    defaults = model.generation_config
    eos = tokenizer.eos_token_id if defaults.eos_token_id is None else defaults.eos_token_id
    pad = tokenizer.pad_token_id if defaults.pad_token_id is None else defaults.pad_token_id
    generated = model.generate(
        **{name: _cast(value, model.dtype) for name, value in batch.items()},
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    new = generated[:, batch["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]


def _cast(value: Tensor, dtype: torch.dtype) -> Tensor:
    return value.to(dtype) if value.is_floating_point() else value
