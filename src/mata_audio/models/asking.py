"""Asking a loaded model: greedy answers to prompts of one length."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor

from mata_audio.models.loading import Loaded


def answer(
    loaded: Loaded, prompts: Sequence[dict[str, Tensor]], max_new_tokens: int = 256
) -> list[str]:
    """Answer prompts of one length greedily, in one batch.

    Args:
        loaded: the model, steered or not.
        prompts: from :meth:`mata_audio.models.prompter.Prompter.inputs`, a batch of one each.
        max_new_tokens: longest answer.

    Returns:
        One answer for each prompt, without special tokens and surrounding space.
    """
    model: Any = loaded.model
    tokenizer = loaded.processor.tokenizer
    batch = placed(prompts, model)
    defaults = model.generation_config
    eos = tokenizer.eos_token_id if defaults.eos_token_id is None else defaults.eos_token_id
    pad = tokenizer.pad_token_id if defaults.pad_token_id is None else defaults.pad_token_id
    generated = model.generate(
        **batch,
        do_sample=False,
        max_new_tokens=max_new_tokens,
        eos_token_id=eos,
        pad_token_id=pad,
    )
    new = generated[:, batch["input_ids"].shape[1] :]
    return [text.strip() for text in tokenizer.batch_decode(new, skip_special_tokens=True)]


def placed(prompts: Sequence[dict[str, Tensor]], model: Any) -> dict[str, Tensor]:
    """Return prompts of one length as one batch, on the model's device and in its dtype."""
    batch = {name: torch.cat([prompt[name] for prompt in prompts]) for name in prompts[0]}
    return {
        name: value.to(model.device, model.dtype if value.is_floating_point() else None)
        for name, value in batch.items()
    }
