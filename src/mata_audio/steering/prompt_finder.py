"""Finding the audio and the end of a batch of prompts in what the model is given to read."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.errors import PromptLengthError, SettingsError, UnsupportedModelError
from mata_audio.notation.rows import LAST, PromptRows
from mata_audio.steering.key_kinds import KeyKinds
from mata_audio.steering.prompt import Mask, Prompt, on_host


class PromptFinder:
    """Makes a :class:`Prompt` of token ids and an attention mask.

    Args:
        token_ids: ids of the tokens whose keys are changed; called audio here, whatever they are.
        prompt_length: number of real prompt tokens, if the prompt ends before the sequence does.
        prompt_rows: which rows of a prompt are active.
        audio_mask: replaces ``token_ids``: returns the mask of the batch of prompts that is about
            to be read, bool, shape ``(batch, tokens)``.
        kinds: finds keys of other kinds.

    Raises:
        PromptLengthError: ``prompt_length`` is not a length.
    """

    def __init__(
        self,
        token_ids: Sequence[int],
        prompt_length: int | Sequence[int] | None,
        prompt_rows: PromptRows = LAST,
        audio_mask: Callable[[], Tensor] | None = None,
        kinds: KeyKinds = KeyKinds(),  # noqa: B008  # it is frozen
    ) -> None:
        self.token_ids = tuple(token_ids)
        self.audio_mask = audio_mask
        self.kinds = kinds
        self.prompt_rows = prompt_rows
        self.prompt_length = _checked_length(prompt_length)

    def new(self, ids: NDArray[np.int64], mask: Any) -> Prompt:
        """Return the prompts that ``ids`` are, shape ``(batch, tokens)``.

        Raises:
            PromptLengthError: ``prompt_length`` does not fit the batch.
            SettingsError: ``audio_mask`` does not fit the prompts.
            UnsupportedModelError: the attention mask has an unknown form.
        """
        audio = self._find_audio(ids, 0)
        return self._build(audio, real_slots(mask, audio), ids)

    def longer(self, earlier: Prompt, ids: NDArray[np.int64], mask: Any, past: int) -> Prompt:
        """Return prompts that start with ``earlier``; errors of ``new``.

        Args:
            earlier: is cut after ``past`` slots.
            ids: of the whole prompts, shape ``(batch, width)``; negative where unknown.
            mask: attention mask of what follows, or of all.
            past: slots that were read before.
        """
        cached = earlier.expand(ids.shape[0])
        audio = np.zeros_like(ids, dtype=bool)
        kept = min(cached.width, past)
        audio[:, :kept] = cached.audio[:, :kept]
        audio[:, past:] = self._find_audio(ids[:, past:], past)
        return self._build(audio, real_slots(mask, audio), ids)

    def unread(self, prompt: Prompt) -> str | None:
        """Return what is missing if ``prompt_length`` lies beyond what was read of a sample."""
        if self.prompt_length is None:
            return None
        length = self._lengths(prompt.batch).tolist()
        for sample, heard in enumerate(prompt.audio_tokens):
            if heard and length[sample] > prompt.tokens[sample]:
                return (
                    f"prompt_length is {length[sample]} for sample {sample}, of which only "
                    f"{prompt.tokens[sample]} tokens were read"
                )
        return None

    def _find_audio(self, ids: NDArray[np.int64], past: int) -> Mask:
        """Return where the audio is among a prompt's new slots, bool, shape of ``ids``."""
        if self.audio_mask is None:
            return np.isin(ids, self.token_ids)
        mask = self.audio_mask()
        batch, end = ids.shape[0], past + ids.shape[1]
        # A prompt that is fed in pieces is longer than its first pieces.
        fits = mask.shape[1] >= end if self.prompt_length is not None else mask.shape[1] == end
        if not fits or batch % mask.shape[0]:
            raise SettingsError(
                f"audio_mask has the shape {tuple(mask.shape)}, but the batch of prompts has "
                f"{(batch, end)}: give a mask over all tokens of this batch, padding included"
            )
        return on_host(mask).astype(bool).repeat(batch // mask.shape[0], axis=0)[:, past:end]

    def _build(self, audio: Mask, real: Mask, ids: NDArray[np.int64]) -> Prompt:
        length = None if self.prompt_length is None else self._lengths(audio.shape[0])
        find_kinds = partial(self.kinds.masks, ids, in_pieces=length is not None)
        return Prompt.build(audio, real, length, self.prompt_rows, find_kinds)

    def _lengths(self, batch: int) -> NDArray[np.int64]:
        """Return ``prompt_length`` for each of ``batch`` samples."""
        length = np.array(self.prompt_length)
        if batch % length.shape[0]:
            raise PromptLengthError(
                f"prompt_length has {length.shape[0]} entries, but the batch has {batch} samples: "
                "give one int, or one for each sample"
            )
        return length.repeat(batch // length.shape[0])


def real_slots(mask: Any, audio: Mask) -> Mask:
    """Return which slots are not padding, bool, shape of ``audio``, from any attention mask.

    Args:
        mask: None, ``(batch, slots)``, a bool or additive ``(batch, heads, queries, keys)`` tensor,
            or a dict of these by layer type.
        audio: shape ``(batch, width)``.

    Raises:
        UnsupportedModelError: the mask has another form.
    """
    if isinstance(mask, dict):
        mask = mask.get("full_attention")
    if mask is None:
        return np.ones_like(audio)
    if isinstance(mask, Tensor) and mask.dim() == 4:  # the last row sees every real key
        last = mask[:, 0, -1]
        mask = last if last.dtype == torch.bool else last >= 0
    if not isinstance(mask, Tensor) or mask.dim() != 2 or mask.shape[1] < audio.shape[1]:
        raise UnsupportedModelError(
            "attention_mask must be a tensor of shape (batch, tokens) or (batch, 1, queries, keys) "
            f"over all {audio.shape[1]} tokens; got "
            f"{tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__}"
        )
    real = on_host(mask[:, : audio.shape[1]]).astype(bool)
    return np.broadcast_to(real, audio.shape)


def _checked_length(length: int | Sequence[int] | None) -> list[int] | None:
    if length is None:
        return None
    listed: Any = length.tolist() if isinstance(length, Tensor) else length
    values = list(listed) if isinstance(listed, (list, tuple)) else [listed]
    if not values or any(type(value) is not int or value < 1 for value in values):
        raise PromptLengthError(
            f"prompt_length must be an int of 1 or more, or one such int a sample; got {length!r}"
        )
    return values
