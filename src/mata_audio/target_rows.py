"""From a target to the rows of a batch of prompts."""

from __future__ import annotations

import torch
from torch import Tensor

from mata_audio.targets import Target


def target_rows(target: Target, audio: Tensor, place: Tensor, length: Tensor) -> Tensor:
    """Return which prompt slots are changed, shape ``(batch, slots)``, bool.

    Args:
        target: which rows of a prompt.
        audio: True at the prompt's audio tokens, shape ``(batch, slots)``.
        place: of each prompt token in its prompt, from 1; 0 at padding and after the prompt;
            same shape.
        length: of each prompt, shape ``(batch,)``. A prompt that is fed in pieces is longer
            than what is in the slots.
    """
    length, prompt = length[:, None], place > 0
    if target.kind == "all":
        return prompt
    if target.kind == "last":
        return prompt & (place > length - target.count)
    if target.kind == "after-audio":
        last_audio = torch.where(audio, place, 0).amax(dim=1, keepdim=True)
        return prompt & (place > last_audio.minimum(length - 1))
    chosen = torch.zeros_like(prompt)
    for sample, tokens in enumerate(length.flatten().tolist()):
        drawn = _drawn(tokens, target.count, target.seed).to(place.device)
        chosen[sample] = torch.isin(place[sample], drawn)
    return chosen


def _drawn(tokens: int, count: int, seed: int) -> Tensor:
    """Draw ``count`` of the places 1 to ``tokens``; no other generator is touched."""
    generator = torch.Generator().manual_seed(seed)
    return torch.randperm(tokens, generator=generator)[:count] + 1
