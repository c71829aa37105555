"""A second prompt that is answered beside the first, token by token, to compare their logits.

It is the same question about other audio, or about none. It has a cache of its own, which follows
that of the first prompt: both hold the same answer, and ``generate`` reorders and crops only one.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor

from mata_audio.errors import CacheError, SettingsError
from mata_audio.families import Located, row_state, using_row_state
from mata_audio.steering.forward_pass import ForwardPass


@dataclass(frozen=True)
class OtherPrompt:
    """The inputs of a second prompt.

    Args:
        inputs: model inputs, with a row for each sample of the first prompts, padded on the left;
            they may hold a cache of the prompt's start.
        state: the row state that belongs to that cache; None without one.
    """

    inputs: Mapping[str, Any]
    state: Tensor | None = None


@dataclass
class _Answer:
    """One prompt with its answer so far, in a cache."""

    cache: Any
    mask: Tensor
    state: Tensor | None
    first: Tensor = field(repr=False)

    @property
    def length(self) -> int:
        return self.mask.shape[1]

    def reorder(self, rows: Tensor) -> None:
        """Reorder its rows as ``generate`` does those of the first prompt."""
        self.cache.reorder_cache(rows)
        self.mask = self.mask[rows.to(self.mask.device)]
        if self.state is not None:
            self.state = self.state[rows.to(self.state.device)]


class Runs(Protocol):
    """Runs the unmodified model."""

    def __call__(self, this_pass: ForwardPass, arguments: Mapping[str, Any], /) -> Any:
        """Return the model's output."""


class OtherReader:
    """Reads one second prompt, and after it what the first prompt's answer is.

    Args:
        name: what it is called in messages.
        located: the model's parts.
        other: the prompt.
    """

    def __init__(self, name: str, located: Located, other: OtherPrompt) -> None:
        self._name = name
        self._located = located
        self._other = other
        self._answer: _Answer | None = None
        self._width = 0

    def reorder(self, rows: Tensor) -> None:
        """Reorder the rows of the answer, as those of the first prompt's cache."""
        if self._answer is not None:
            self._answer.reorder(rows)

    def logits(self, ids: Tensor, before: int, run: Runs, whole: ForwardPass) -> Tensor:
        """Return the next token's logits at the prompt's end or in its answer.

        Args:
            ids: the new tokens of the answer, shape ``(batch, new)``; there may be none at the
                prompt's end.
            before: tokens of the answer that were read before.
            run: runs the unmodified model.
            whole: the pass of the first prompt.

        Returns:
            Shape ``(batch, rows, vocabulary)``: ``new`` rows, and one before them if ``before`` is
            0 and the prompt itself was read now.

        Raises:
            SettingsError: the batch is no multiple of the second prompts.
            CacheError: the answer that was read is not the one that goes on.
        """
        parts = []
        if whole.reads_prompt:
            self._answer = self._read(whole, ids.shape[0], run)
            parts.append(self._answer.first)
        answer = self._answer
        if answer is None:
            raise CacheError(
                f"the {self._name} prompt has not read this answer: let generate() write all of it"
            )
        extra = answer.length - self._width - before
        if extra < 0 or answer.mask.shape[0] != ids.shape[0]:
            raise CacheError(
                f"the {self._name} prompt has read another answer than the one that goes on: let "
                "generate() write all of it"
            )
        if extra:  # tokens that were tried, and taken back
            answer.cache.crop(-extra)
            answer.mask = answer.mask[:, : answer.length - extra]
        if ids.shape[1]:
            parts.append(self._go_on(answer, ids, run, whole))
        return torch.cat(parts, dim=1)

    def _read(self, whole: ForwardPass, batch: int, run: Runs) -> _Answer:
        """Read the second prompts, each once, and repeat them for beams."""
        inputs = dict(self._other.inputs)
        ids = inputs["input_ids"]
        if batch % ids.shape[0]:
            raise SettingsError(
                f"the {self._name} prompts are {ids.shape[0]}, but the batch has {batch} rows: "
                "give one for each prompt of the batch"
            )
        mask = inputs.get("attention_mask")
        mask = torch.ones_like(ids) if mask is None else mask
        if not mask[:, -1].all():
            raise SettingsError(f"the {self._name} prompts must be padded on the left")
        with using_row_state(self._located, self._other.state):
            cache = inputs.get("past_key_values")
            ids = ids[:, 0 if cache is None else cache.get_seq_length() :]
            inputs |= {"input_ids": ids, "attention_mask": mask}
            state = None if cache is None else self._other.state
            positions = _positions(mask, ids.shape[1], state)
            output = run(_pass_of(whole, ids), inputs | positions)
            state = row_state(self._located)
        cache, beams = output.past_key_values, batch // ids.shape[0]
        self._width = mask.shape[1]
        first = output.logits[:, -1:]
        if beams > 1:
            cache.batch_repeat_interleave(beams)
            mask, first = (value.repeat_interleave(beams, dim=0) for value in (mask, first))
            state = None if state is None else state.repeat_interleave(beams, dim=0)
        return _Answer(cache, mask, state, first)

    def _go_on(self, answer: _Answer, ids: Tensor, run: Runs, whole: ForwardPass) -> Tensor:
        answer.mask = torch.cat([answer.mask, torch.ones_like(ids)], dim=1)
        arguments = {
            "input_ids": ids,
            "attention_mask": answer.mask,
            "past_key_values": answer.cache,
            **_positions(answer.mask, ids.shape[1], answer.state),
        }
        with using_row_state(self._located, answer.state):
            output = run(_pass_of(whole, ids), arguments)
        logits: Tensor = output.logits[:, -ids.shape[1] :]
        return logits


def _positions(mask: Tensor, queries: int, state: Tensor | None) -> dict[str, Tensor]:
    """Return the positions of new tokens, which leave out padding, as ``generate`` counts them.

    From a whole prompt, models with a row state find their own.
    """
    places = (mask.long().cumsum(dim=1) - 1).clamp(min=0)[:, -queries:]
    if state is not None:
        return {"position_ids": (places + state.to(places.device)).expand(3, -1, -1)}
    return {} if bool(mask.all()) else {"position_ids": places}


def _pass_of(whole: ForwardPass, ids: Tensor) -> ForwardPass:
    """Return a pass over ``ids`` in which nothing is changed."""
    return whole.unchanged(batch=ids.shape[0], queries=ids.shape[1])


def readers_of(
    names: tuple[str, ...], located: Located, others: Mapping[str, OtherPrompt]
) -> tuple[OtherReader, ...]:
    """Return the readers of the second prompts that a method names, in its order.

    Raises:
        SettingsError: one is missing.
    """
    missing = [name for name in names if name not in others]
    if missing:
        raise SettingsError(
            f"this method compares with the {' and '.join(missing)} prompt: give its inputs, "
            f"method(model, others={{{missing[0]!r}: inputs}}), made as those of the prompt "
            "itself, with a row for each of its samples"
        )
    return tuple(OtherReader(name, located, others[name]) for name in names)
