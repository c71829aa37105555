"""Prompts read once, to get the log-probabilities of their answers under many gains."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence
from transformers.cache_utils import Cache

from mata_audio.families import Located, locate, row_state, using_row_state
from mata_audio.models.prefill import Inputs, prefill
from mata_audio.steering.attachment import Attachment


@dataclass(frozen=True)
class PrefilledPrompts:
    """A batch of prompts of one length with their cache and their right answers.

    Args:
        located: the parts of the model that read them.
        ids: shape ``(batch, tokens)``.
        mask: same shape.
        cache: keys and values of all prompt tokens but the last.
        target: token ids of the answers, shape ``(batch, longest answer)``.
        counted: 1.0 at answer tokens, 0.0 after an answer's end, same shape.
        state: what the model keeps of these prompts in addition to the cache.
    """

    located: Located
    ids: Tensor
    mask: Tensor
    cache: Cache
    target: Tensor
    counted: Tensor
    state: Tensor | None

    def log_p(self, attachment: Attachment, last_use: bool = False) -> Tensor:
        """Return log-probabilities over the vocabulary at each answer token.

        Args:
            attachment: the model's; the result is differentiable in its gains.
            last_use: use the cache itself, not a copy; it cannot be used again.

        Returns:
            Shape ``(batch, longest answer, vocabulary)``, with teacher forcing, float32 or wider.
        """
        return self.logits(attachment, last_use=last_use)[0].log_softmax(dim=-1)

    def logits(self, attachment: Attachment, views: int = 1, last_use: bool = False) -> Tensor:
        """Return logits at each answer token, in one pass over the rest of the prompt.

        Args:
            attachment: as for :meth:`log_p`; with several views, its gains have a row for each.
            views: how often each prompt is read, side by side.
            last_use: as for :meth:`log_p`.

        Returns:
            Shape ``(views, batch, longest answer, vocabulary)``, float32 or wider.
        """
        listener: Any = self.located.listener
        cache = self.cache if last_use else copy.deepcopy(self.cache)
        rows = torch.arange(len(self.ids), device=self.ids.device).repeat(views)
        state = self.state
        if views > 1:
            cache.batch_select_indices(rows)  # all of the first view, then all of the second
            state = None if state is None else state[rows]
        ids = self.ids[rows]
        attachment.adopt(cache, ids, self.mask[rows])
        read = torch.cat([ids[:, -1:], self.target[rows, :-1]], dim=1)
        with using_row_state(self.located, state):
            logits: Tensor = listener(input_ids=read, past_key_values=cache).logits
        wide = torch.promote_types(logits.dtype, torch.float32)
        return logits.to(wide).unflatten(0, (views, -1))

    @property
    def cache_bytes(self) -> int:
        """Size of the kept keys and values."""
        return sum(
            kept.nbytes
            for layer in self.cache.layers
            for kept in vars(layer).values()
            if isinstance(kept, Tensor)
        )

    def of_answer(self, log_p: Tensor) -> Tensor:
        """Return each answer's log-probability from :meth:`log_p`, shape ``(batch,)``."""
        chosen = log_p.gather(2, self.target[:, :, None])[:, :, 0]
        return (chosen * self.counted).sum(dim=1)

    def right(self, log_p: Tensor) -> Tensor:
        """Return whether greedy decoding gives the answer, shape ``(batch,)``, bool."""
        return ((log_p.argmax(dim=2) == self.target) | (self.counted == 0)).all(dim=1)


@torch.no_grad()
def prefill_prompts(
    model: Any, inputs: Inputs, answers: Sequence[Sequence[int]]
) -> PrefilledPrompts:
    """Read all but the last token of a batch of prompts.

    Args:
        model: a supported model, not steered.
        inputs: as for :func:`mata_audio.models.one_prefill.generate_all`.
        answers: token ids of each item's answer, at least one each.
    """
    ids, mask = inputs["input_ids"], inputs["attention_mask"]
    tokens = [torch.tensor(answer, device=ids.device) for answer in answers]
    target = pad_sequence(tokens, batch_first=True)
    counted = pad_sequence([torch.ones_like(own).float() for own in tokens], batch_first=True)
    located = locate(model)
    cache = prefill(located, inputs)
    return PrefilledPrompts(located, ids, mask, cache, target, counted, row_state(located))


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Switch the weights' gradients off for a while."""
    trainable = [weight for weight in model.parameters() if weight.requires_grad]
    for weight in trainable:
        weight.requires_grad_(False)
    try:
        yield
    finally:
        for weight in trainable:
            weight.requires_grad_(True)
