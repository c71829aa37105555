"""A batch of prompts that was read up to its last token, to go on from as often as needed."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache

from mata_audio.families import Located, row_state
from mata_audio.models.caches import forgets, repeated

Inputs = Mapping[str, Tensor]

# Model arguments with one entry for each token of the prompt.
_BY_TOKEN = ("input_ids", "attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids")


@dataclass
class Prefilled:
    """Prompts of one length without padding, all but whose last token is in a cache.

    Args:
        inputs: the prompts' model inputs.
        cache: holds them up to their last token.
        state: their row state.
    """

    inputs: Inputs
    cache: Cache
    state: Tensor | None

    @classmethod
    def read(cls, located: Located, inputs: Inputs) -> Prefilled:
        """Read prompts with the unmodified model."""
        return cls(inputs, prefill(located.listener, inputs), row_state(located))

    def rows(self, count: int, used_up: bool = False) -> tuple[dict[str, Any], Tensor | None]:
        """Return ``generate``'s arguments for ``count`` rows of each prompt, and their row state.

        Args:
            count: rows of each prompt, side by side.
            used_up: whether nothing else goes on from these prompts, so that no copy is needed.
        """
        cache = self.cache if used_up else copy.deepcopy(self.cache)
        if count > 1:
            cache.batch_repeat_interleave(count)
        arguments = {
            "input_ids": self.inputs["input_ids"].repeat_interleave(count, dim=0),
            "attention_mask": self.inputs["attention_mask"].repeat_interleave(count, dim=0),
            "past_key_values": cache,
        }
        return arguments, repeated(self.state, count)


def prefill(listener: Any, inputs: Inputs) -> Cache:
    """Return the cache of every prompt position except the last; no logits are computed."""
    if forgets(listener):  # this cache cannot be cropped, so the last token is not read at all
        first = {k: v[:, :-1] if k in _BY_TOKEN else v for k, v in inputs.items()}
        return _cache_of(listener, first)
    cache = _cache_of(listener, inputs)
    cache.crop(-1)
    return cache


def _cache_of(listener: Any, inputs: Inputs) -> Cache:
    cache: Cache = listener.base_model(**inputs, use_cache=True).past_key_values
    return cache
