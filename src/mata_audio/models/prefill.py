"""A batch of prompts that was read up to its last token, to go on from as often as needed."""

from __future__ import annotations

import copy
import inspect
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from torch import Tensor
from transformers.cache_utils import Cache

from mata_audio.families import Located, row_state
from mata_audio.models.caches import forgets, repeated

Inputs = Mapping[str, Tensor]

BY_TOKEN = ("input_ids", "attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids")
"""Model arguments with one entry for each token of the prompt."""


@dataclass
class Prefilled:
    """Prompts without padding on the right, all but whose last token is in a cache.

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
        return cls(inputs, prefill(located, inputs), row_state(located))

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


def prefill(located: Located, inputs: Inputs) -> Cache:
    """Return the cache of every prompt position except the last; no logits are computed.

    Args:
        located: the parts of the model.
        inputs: prompts of one length, or shorter ones padded on the left.
    """
    listener = located.listener
    inputs = {**inputs, **_positions(located, inputs)}
    if forgets(listener):  # this cache cannot be cropped, so the last token is not read at all
        first = {k: v[:, :-1] if k in BY_TOKEN else v for k, v in inputs.items()}
        return _cache_of(listener, first)
    cache = _cache_of(listener, inputs)
    cache.crop(-1)
    return cache


def _positions(located: Located, inputs: Inputs) -> Inputs:
    """Return the positions of padded prompts as ``generate`` counts them, from each first token.

    As there, models that do not name the argument count slots, and those with a row state count for
    themselves. Without padding, the model's own positions are right.
    """
    mask = inputs.get("attention_mask")
    named = inspect.signature(located.listener.forward).parameters
    if located.family.row_state or "position_ids" not in named or mask is None or mask.all():
        return {}
    return {"position_ids": (mask.long().cumsum(dim=1) - 1).masked_fill(mask == 0, 0)}


def _cache_of(listener: Any, inputs: Inputs) -> Cache:
    cache: Cache = listener.base_model(**inputs, use_cache=True).past_key_values
    return cache
