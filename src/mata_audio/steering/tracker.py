"""Following a steered model: which prompt each forward pass belongs to, and its active rows."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from mata_audio.errors import PromptLengthError, SettingsError, UnsupportedModelError
from mata_audio.notation.rows import LAST, PromptRows
from mata_audio.steering.forward_pass import ForwardPass
from mata_audio.steering.negative_scores import NegativeScores
from mata_audio.steering.prompt import Prompt
from mata_audio.steering.scaled_keys import ScaledKeys


class _Tracked(NamedTuple):
    """A batch of prompts that the model reads or has read.

    Args:
        prompt: the prompts.
        number: index of their entry in :attr:`PassTracker.audio_tokens`.
        adopted: whether their cache was filled without the intervention.
    """

    prompt: Prompt
    number: int
    adopted: bool = False


class PassTracker:
    """Follows the forward passes of one model: new prompts, cached steps, ``generate``.

    Args:
        token_ids: ids of the tokens whose keys are changed; called audio here, whatever they are.
        prompt_length: number of real prompt tokens, if the prompt ends before the sequence does.
        prompt_rows: which rows of a prompt are active.
        audio_mask: replaces ``token_ids``: returns the mask of the batch of prompts that is about
            to be read, bool, shape ``(batch, tokens)``.
    """

    def __init__(
        self,
        token_ids: Sequence[int],
        prompt_length: int | Sequence[int] | None,
        prompt_rows: PromptRows = LAST,
        audio_mask: Callable[[], Tensor] | None = None,
    ) -> None:
        self.token_ids = tuple(token_ids)
        self._audio_mask = audio_mask
        self._prompt_rows = prompt_rows
        self._prompt_length = _checked_length(prompt_length)
        self._by_cache: WeakKeyDictionary[Any, _Tracked] = WeakKeyDictionary()
        self._generating: _Tracked | None = None
        self._latest: _Tracked | None = None
        self._prompt_is_read = False
        self._scaled: ScaledKeys | None = None
        self.negatives = NegativeScores()
        self.audio_tokens: list[tuple[int, ...]] = []
        self.unfinished: dict[int, str] = {}
        """Prompts that end beyond what was read of them: by their number, what is missing."""

    def start_generation(self, ids: Tensor | None, mask: Tensor | None, cache: Any) -> bool:
        """Note the prompt of a ``generate`` call; False inside another call, whose prompt stays."""
        if self._generating is not None:
            return False
        self._prompt_is_read = False
        if ids is None and self._audio_mask is not None:
            audio = self._audio_mask()
            ids = torch.full(audio.shape, -1, device=audio.device)
        if ids is None:
            return True
        if mask is not None and mask.shape[1] > ids.shape[1]:
            past = mask.shape[1] - ids.shape[1]
            self._generating = self._longer_prompt(self._prompt_in(cache), ids, mask, past)
        else:
            self._generating = self._new_prompt(ids, mask)
        number = self._generating.number
        missing = self.unfinished.pop(number, None)
        if missing is not None:
            self._generating = None
            del self.audio_tokens[number:]
            raise PromptLengthError(
                f"{missing}. generate() is given whole prompts: leave prompt_length out, or give "
                "the number of tokens of each prompt, padding not counted"
            )
        return True

    def end_generation(self) -> None:
        """Put scaled keys back and forget the prompt."""
        if self._scaled is not None:
            self._scaled.restore()
        self._scaled = None
        self._generating = None

    def next(
        self, ids: Tensor | None, batch: int, queries: int, mask: Any, cache: Any
    ) -> ForwardPass:
        """Return the pass that reads ``queries`` new slots of ``batch`` samples.

        Raises:
            PromptLengthError: where the prompt ends is unknown.
            SettingsError: ``audio_mask`` does not fit the prompt.
        """
        past = self._cached_slots(cache, mask)
        tracked = self._generating or self._outside_generate(ids, batch, queries, mask, cache, past)
        prompt = tracked.prompt.expand(batch)
        ends_prompt = past < prompt.width <= past + queries
        self._latest, self._prompt_is_read = tracked, past + queries >= prompt.width
        rows = prompt.rows(past, queries)
        return ForwardPass(
            prompt, rows, past, queries, ends_prompt, self._scaled_keys(cache), self.negatives
        )

    def adopt(self, cache: Any, ids: Tensor, mask: Any) -> None:
        """Tie ``cache``, filled without the intervention, to the prompt that it holds the start of.

        Raises:
            SettingsError: the setting changes rows that are in the cache already.
        """
        if not self._prompt_rows.is_last:
            raise SettingsError(
                "a cache that was filled without the setting can be continued only if the setting "
                'changes only the last prompt token: use rows="last", or call generate() with the '
                "whole prompt"
            )
        self._by_cache[cache] = self._new_prompt(ids, mask)._replace(adopted=True)

    def remember(self, cache: Any) -> None:
        """Tie ``cache`` to the prompt of the latest pass, for the steps that reuse it."""
        if self._latest is not None:
            self._by_cache[cache] = self._latest

    def _cached_slots(self, cache: Any, mask: Any) -> int:
        length = 0 if cache is None else cache.get_seq_length()
        if (
            isinstance(length, Tensor)  # a static cache counts on the device: reading it is slow
            and self._generating is not None
            and self._prompt_is_read
            and isinstance(mask, dict)  # the masks then say all that a step needs
        ):
            return self._generating.prompt.width
        return int(length)

    def _scaled_keys(self, cache: Any) -> ScaledKeys | None:
        if self._generating is None or cache is None or torch.is_grad_enabled():
            return None
        if self._scaled is None:
            self._scaled = ScaledKeys(cache)
        return self._scaled if self._scaled.holds(cache) else None

    def _outside_generate(
        self, ids: Tensor | None, batch: int, queries: int, mask: Any, cache: Any, past: int
    ) -> _Tracked:
        if ids is None:  # inputs_embeds: no token ids to find audio by
            ids = torch.full((batch, queries), -1)
        if past == 0:
            return self._new_prompt(ids, mask)
        earlier = self._prompt_in(cache)
        if earlier.adopted:
            return earlier
        if self._prompt_length is not None:
            return self._longer_prompt(earlier, ids, mask, past)
        if queries > 1:
            raise PromptLengthError(
                f"a forward pass outside generate() adds {queries} tokens to a cache of {past}: "
                "they may be prompt or answer. Say where the prompt ends: "
                "mata(model, prompt_length=...)"
            )
        return earlier

    def _prompt_in(self, cache: Any) -> _Tracked:
        earlier = self._by_cache.get(cache) if cache is not None else None
        if earlier is None:
            raise PromptLengthError(
                "this cache was not filled while the model was steered, so its audio positions are "
                "unknown: call generate() with the input_ids of the whole conversation"
            )
        return earlier

    def _new_prompt(self, ids: Tensor, mask: Any) -> _Tracked:
        audio, number = self._find_audio(ids, 0), len(self.audio_tokens)
        prompt = self._build(audio, real_slots(mask, audio), number)
        self.audio_tokens.append(prompt.audio_tokens)
        return _Tracked(prompt, number)

    def _longer_prompt(self, earlier: _Tracked, ids: Tensor, mask: Any, past: int) -> _Tracked:
        cached = earlier.prompt.expand(ids.shape[0])
        audio = torch.zeros(ids.shape[0], past + ids.shape[1], dtype=torch.bool, device=ids.device)
        kept = min(cached.width, past)
        audio[:, :kept] = cached.audio[:, :kept]
        audio[:, past:] = self._find_audio(ids, past)
        prompt = self._build(audio, real_slots(mask, audio), earlier.number)
        self.audio_tokens[earlier.number] = prompt.audio_tokens
        return _Tracked(prompt, earlier.number)

    def _find_audio(self, ids: Tensor, past: int) -> Tensor:
        """Return where the audio is among a prompt's new slots, bool, shape of ``ids``.

        Raises:
            SettingsError: ``audio_mask`` does not fit the prompt.
        """
        if self._audio_mask is None:
            return torch.stack([ids == token_id for token_id in self.token_ids]).any(dim=0)
        mask = self._audio_mask()
        batch, end = ids.shape[0], past + ids.shape[1]
        # A prompt that is fed in pieces is longer than its first pieces.
        fits = mask.shape[1] >= end if self._prompt_length is not None else mask.shape[1] == end
        if not fits or batch % mask.shape[0]:
            raise SettingsError(
                f"audio_mask has the shape {tuple(mask.shape)}, but the batch of prompts has "
                f"{(batch, end)}: give a mask over all tokens of this batch, padding included"
            )
        mask = mask.to(ids.device).repeat_interleave(batch // mask.shape[0], dim=0)
        return mask[:, past:end].bool()

    def _build(self, audio: Tensor, real: Tensor, number: int) -> Prompt:
        if self._prompt_length is None:
            return Prompt.build(audio, real, prompt_rows=self._prompt_rows)
        batch = audio.shape[0]
        length = torch.tensor(self._prompt_length, device=audio.device)
        if batch % length.shape[0]:
            raise PromptLengthError(
                f"prompt_length has {length.shape[0]} entries, but the batch has {batch} samples: "
                "give one int, or one for each sample"
            )
        length = length.repeat_interleave(batch // length.shape[0])
        self.unfinished.pop(number, None)
        tokens, heard = real.sum(dim=1), (audio & real).any(dim=1)
        short = (heard & (length > tokens)).nonzero().flatten().tolist()
        if short:
            self.unfinished[number] = (
                f"prompt_length is {int(length[short[0]])} for sample {short[0]}, of which only "
                f"{int(tokens[short[0]])} tokens were read"
            )
        return Prompt.build(audio, real, length, self._prompt_rows)


def real_slots(mask: Any, audio: Tensor) -> Tensor:
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
        return torch.ones_like(audio)
    if isinstance(mask, Tensor) and mask.dim() == 4:  # the last row sees every real key
        last = mask[:, 0, -1]
        mask = last if last.dtype == torch.bool else last >= 0
    if not isinstance(mask, Tensor) or mask.dim() != 2 or mask.shape[1] < audio.shape[1]:
        raise UnsupportedModelError(
            "attention_mask must be a tensor of shape (batch, tokens) or (batch, 1, queries, keys) "
            f"over all {audio.shape[1]} tokens; got "
            f"{tuple(mask.shape) if isinstance(mask, Tensor) else type(mask).__name__}"
        )
    return mask[:, : audio.shape[1]].to(audio.device).bool().expand_as(audio)


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
