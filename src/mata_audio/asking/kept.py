"""Prompts that were read, kept for the next setting or question within a bound of memory."""

from __future__ import annotations

import copy
from collections import OrderedDict
from typing import Any

import torch
from torch import Tensor

from mata_audio.asking.prompt import Prompt
from mata_audio.families import Located, using_row_state
from mata_audio.models.caches import forgets
from mata_audio.models.one_prefill import greedy
from mata_audio.models.prefill import Prefilled

Key = tuple[bytes, tuple[int, ...]]
"""The digest of a prompt's sound, and its tokens."""


class KeptPrompts:
    """Reads prompts with the unmodified model, and keeps what was read.

    A setting changes nothing before the last prompt token (arXiv 2509.18816, section 2), so it goes
    on from there. Another question about the same clips goes on from what it shares with a kept
    prompt, if that holds all of the sound.

    Args:
        located: the model's parts.
        tokenizer: the processor's.
        most_bytes: memory for keys and values, at most; the prompt that was used least recently is
            dropped first, and the latest one always kept.
    """

    def __init__(self, located: Located, tokenizer: Any, most_bytes: int) -> None:
        self._located = located
        self._tokenizer = tokenizer
        self._most = most_bytes
        self._kept: OrderedDict[Key, Prefilled] = OrderedDict()
        self.read = 0
        """Prompts that were read from their first token on."""
        self.continued = 0
        """Prompts that went on from another question about the same clips."""

    def __len__(self) -> int:
        return len(self._kept)

    def of(self, prompt: Prompt) -> Prefilled:
        """Return a prompt that was read up to its last token."""
        key = (prompt.sound, prompt.tokens)
        if key not in self._kept:
            self._kept[key] = self._continued(prompt) or self._from_start(prompt)
        self._kept.move_to_end(key)
        while len(self._kept) > 1 and sum(map(_size, self._kept.values())) > self._most:
            self._kept.popitem(last=False)
        return self._kept[key]

    def _from_start(self, prompt: Prompt) -> Prefilled:
        self.read += 1
        with torch.inference_mode():
            return Prefilled.read(self._located, prompt.inputs)

    def _continued(self, prompt: Prompt) -> Prefilled | None:
        """Return the prompt read on from where it differs from a kept one; None if none helps."""
        located, tokens = self._located, prompt.tokens
        if forgets(located.listener) or located.audio_token_id not in tokens:
            return None
        after_sound = len(tokens) - tokens[::-1].index(located.audio_token_id)
        shared = {key: _shared(key[1], tokens) for key in self._kept if key[0] == prompt.sound}
        best = max(shared, key=lambda key: shared[key], default=None)
        if best is None or not after_sound <= shared[best] < len(tokens):
            return None
        self.continued += 1
        kept = self._kept[best]
        cache = copy.deepcopy(kept.cache)
        if more := cache.get_seq_length() - min(shared[best], len(tokens) - 1):
            cache.crop(-more)
        listener: Any = located.listener
        with torch.inference_mode(), using_row_state(located, kept.state):
            # ``generate`` knows how each family goes on from a cache; its one token is dropped.
            listener.generate(
                input_ids=prompt.inputs["input_ids"],
                attention_mask=prompt.inputs["attention_mask"],
                past_key_values=cache,
                generation_config=greedy(listener, self._tokenizer, max_new_tokens=1),
            )
            cache.crop(-1)
            return Prefilled(prompt.inputs, cache, kept.state)


def _shared(one: tuple[int, ...], other: tuple[int, ...]) -> int:
    """Return how many tokens two prompts have in common from the start."""
    pairs = zip(one, other, strict=False)
    return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(other)))


def _size(prompt: Prefilled) -> int:
    """Return the memory of a prompt's keys, values and states, in bytes."""
    states = [value for layer in prompt.cache.layers for value in vars(layer).values()]
    return sum(value.nbytes for value in states if isinstance(value, Tensor))
