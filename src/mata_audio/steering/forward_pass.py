"""One forward pass of a steered model, as its layers see it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, TypeVar

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional

from mata_audio.errors import UnsupportedModelError
from mata_audio.steering.active_rows import Rows
from mata_audio.steering.listening import ListeningCounts
from mata_audio.steering.prompt import HEARD, Prompt
from mata_audio.steering.scaled_keys import ScaledKeys

_T = TypeVar("_T")


@dataclass
class ForwardPass:
    """One forward pass.

    Args:
        prompt: the prompts of the batch.
        kinds: where their keys are, from :meth:`Prompt.on` the device of the pass.
        rows: the active query rows of this pass; None when there are none.
        past: number of slots in the cache before the pass.
        queries: number of rows that the pass reads.
        ends_prompt: whether this pass reads the last slot of the prompt.
        scaled: the cache whose keys may be scaled; None outside ``generate`` or without a cache.
        listening: counts how the active rows listen.
        repeated: whether it runs again for the backward pass (gradient checkpointing).
        strength: all gains are multiplied by it, shape ``(batch,)``; None for 1.
    """

    prompt: Prompt
    kinds: Mapping[str, Tensor]
    rows: Rows | None
    past: int
    queries: int
    ends_prompt: bool
    scaled: ScaledKeys | None
    listening: ListeningCounts
    repeated: bool = False
    strength: Tensor | None = None
    _keys: dict[str, Tensor] = field(default_factory=dict, init=False, repr=False)
    _made: dict[str, tuple[tuple[Any, ...], Any]] = field(
        default_factory=dict, init=False, repr=False
    )
    _last_rows: ForwardPass | None = field(default=None, init=False, repr=False)

    @property
    def reads_prompt(self) -> bool:
        """Whether the pass reads slots of the prompt."""
        return self.past < self.prompt.width

    def of_last(self, queries: int) -> ForwardPass:
        """Return this pass as seen by a layer that runs only its last ``queries`` rows.

        In Gemma 4, layers that share keys do so when only the last logits are needed.

        Raises:
            UnsupportedModelError: the layer reads more rows than the pass has tokens.
        """
        if queries == self.queries:
            return self
        if queries > self.queries:
            raise UnsupportedModelError(
                f"a layer reads {queries} rows in a pass over {self.queries} tokens: the model "
                "inserts tokens itself, so its audio tokens are not where input_ids has them. It "
                "cannot be steered"
            )
        known = self._last_rows
        if known is None or known.queries != queries:
            past = self.past + self.queries - queries
            rows = self.prompt.rows(past, queries, self.kinds[HEARD].device)
            known = replace(self, rows=rows, past=past, queries=queries)
            self._last_rows = known
        return known

    def unchanged(self, batch: int, queries: int) -> ForwardPass:
        """Return a pass over another prompt, in which nothing is changed."""
        nothing = np.zeros((batch, queries), dtype=bool)
        prompt = Prompt(nothing, nothing, (0,) * batch, (queries,) * batch, None)
        return replace(
            self,
            prompt=prompt,
            kinds={},
            rows=None,
            past=0,
            queries=queries,
            ends_prompt=False,
            scaled=None,
        )

    def first(self, queries: int, keys: int) -> int:
        """Return the place of the pass's first row among the ``keys`` that a layer attends to."""
        dropped = max(0, self.past + queries - keys)  # a sliding cache drops the oldest keys
        return self.past - dropped

    def keys(self, kind: str, queries: int, keys: int, device: torch.device) -> Tensor:
        """Return True at keys of ``kind``, shape ``(batch, 1, 1, keys)``."""
        kind = kind if kind in self.kinds else HEARD
        known = self._keys.get(kind)
        if known is None or known.shape[-1] != keys or known.device != device:
            dropped = self.past - self.first(queries, keys)
            known = self.kinds[kind][:, dropped : dropped + keys].to(device)
            if known.shape[1] < keys:
                known = functional.pad(known, (0, keys - known.shape[1]))
            known = self._keys[kind] = known[:, None, None]
        return known

    def made_for(self, name: str, what: tuple[Any, ...], make: Callable[[], _T]) -> _T:
        """Return what an earlier layer made of just these objects, or make it."""
        known = self._made.get(name)
        if known is not None and all(a is b for a, b in zip(known[0], what, strict=True)):
            found: _T = known[1]
            return found
        made = make()
        self._made[name] = what, made
        return made
