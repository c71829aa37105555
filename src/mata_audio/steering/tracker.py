"""Following a steered model: which prompt each forward pass belongs to, and its active rows.

A pass belongs to a prompt because it reads the prompt's own tokens, or because its cache holds the
prompt; never because it comes next. Generations nest (a streamer or a logits processor may call the
model), and each has its own prompt.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any
from weakref import WeakKeyDictionary

import torch
from torch import Tensor

from mata_audio.errors import CacheError, NoAudioError, PromptLengthError, SettingsError
from mata_audio.steering.cache_record import CacheRecord, check_prefix
from mata_audio.steering.forward_pass import ForwardPass
from mata_audio.steering.generate_call import GenerateCall
from mata_audio.steering.listening import ListeningCounts
from mata_audio.steering.prompt import on_host
from mata_audio.steering.prompt_finder import PromptFinder
from mata_audio.steering.reading import Reading, Readings, token_ids
from mata_audio.steering.scaled_keys import ScaledKeys


@dataclass(eq=False)
class _Generation:
    """One ``generate`` call that runs.

    Args:
        reading: its prompts; None if it was given none.
        given: the cache that it was given, if any.
        in_pieces: whether it may read the prompt in several passes.
        scaled: its cache, whose audio keys may be scaled.
    """

    reading: Reading | None
    given: Any
    in_pieces: bool
    scaled: ScaledKeys | None = None


class PassTracker:
    """Follows the forward passes of one model: new prompts, cached steps, ``generate``.

    Args:
        finder: finds the audio and the end of prompts.
        same_gains: whether all samples of a batch have the same gains.
    """

    def __init__(self, finder: PromptFinder, same_gains: bool = True) -> None:
        self.readings = Readings(finder)
        self.listening = ListeningCounts()
        self._same_gains = same_gains
        self._records: WeakKeyDictionary[Any, CacheRecord] = WeakKeyDictionary()
        self._generations: list[_Generation] = []

    @contextmanager
    def generation(self, call: GenerateCall) -> Iterator[Reading | None]:
        """Note the prompts of a ``generate`` call as long as it runs, and yield their reading.

        Raises:
            CacheError: the cache holds another prompt, or is not known.
            PromptLengthError: ``prompt_length`` lies beyond a prompt.
            SettingsError: the cache holds rows that the setting changes.
        """
        reading = self._given_prompt(call)
        generation = _Generation(reading, call.cache, call.in_pieces)
        self._generations.append(generation)
        try:
            yield reading
        finally:
            self._generations.remove(generation)
            self._leave(generation)

    def next(
        self,
        ids: Tensor | None,
        batch: int,
        queries: int,
        mask: Any,
        cache: Any,
        device: torch.device,
    ) -> tuple[ForwardPass, Reading]:
        """Return the pass that reads ``queries`` new slots of ``batch`` samples, and its prompts.

        Raises:
            CacheError: what the cache holds is unknown.
            NoAudioError: nothing says where the audio of the prompts is.
            PromptLengthError: where the prompts end is unknown.
            SettingsError: ``audio_mask`` does not fit the prompts.
        """
        record = None if cache is None else self._records.get(cache)
        past = self._cached_slots(cache, record)
        tokens = token_ids(ids, batch, queries)
        generation = self._generation_of(tokens, cache, record, past)
        if generation is not None and generation.reading is not None:
            reading = generation.reading
        elif past == 0:
            reading = self._new_prompt(tokens, mask, embedded=ids is None)
        else:
            reading = self._continued(record, tokens, mask, cache, past)
        if record is not None:
            record.keys = ()  # the pass replaces them: holding the old ones would cost memory
        prompt = reading.prompt.expand(batch)
        this_pass = ForwardPass(
            prompt,
            prompt.on(device),
            prompt.rows(past, queries, device),
            past,
            queries,
            ends_prompt=past < prompt.width <= past + queries,
            scaled=None if generation is None else _scaled_keys(generation, cache),
            listening=self.listening,
        )
        return this_pass, reading

    def finished(self, this_pass: ForwardPass, reading: Reading, cache: Any) -> None:
        """Note what ``cache`` holds after a pass."""
        length = this_pass.past + this_pass.queries
        self._records[cache] = CacheRecord.of(cache, reading, length, this_pass.prompt.batch)

    def adopt(self, cache: Any, ids: Tensor, mask: Any, steered: bool = False) -> None:
        """Tie ``cache``, filled elsewhere, to the prompts ``ids`` that it holds the start of.

        Raises:
            CacheError: ``generate`` runs, so that the cache may be in any state.
            SettingsError: the setting changes rows that were filled without it.
        """
        if self._generations:
            raise CacheError("adopt() was called inside generate(): call it before or after")
        held = int(cache.get_seq_length())
        reading = self.readings.new(ids, mask)
        reading.continues = True
        if not steered:
            _check_unsteered(reading, held)
        self._records[cache] = CacheRecord.of(cache, reading, held, ids.shape[0])

    def _cached_slots(self, cache: Any, record: CacheRecord | None) -> int:
        length = 0 if cache is None else cache.get_seq_length()
        if isinstance(length, Tensor) and record is not None and self._is_generating(record):
            return record.length  # a static cache counts on the device, which is slow to ask
        return int(length)

    def _is_generating(self, record: CacheRecord) -> bool:
        """Whether the innermost ``generate`` fills the cache of ``record``."""
        return bool(self._generations) and self._generations[-1].reading is record.reading

    def _generation_of(
        self, tokens: Tensor, cache: Any, record: CacheRecord | None, past: int
    ) -> _Generation | None:
        """Return the innermost generation if a pass reads its prompts or continues them."""
        generation = self._generations[-1] if self._generations else None
        if generation is None or generation.reading is None:
            return None
        reading, batch = generation.reading, tokens.shape[0]
        if past and record is not None and record.reading is reading:
            if batch == reading.prompt.batch:
                record.check(cache, past, batch, self._same_gains)
            else:  # generate() reorders the beams of each sample
                record.check_slots(cache, past)
            return generation
        if past and cache is not generation.given:
            return None
        whole = past + tokens.shape[1] >= reading.prompt.width
        return (
            generation
            if (whole or generation.in_pieces) and reading.has(on_host(tokens), past)
            else None
        )

    def _leave(self, generation: _Generation) -> None:
        """Put scaled keys back, and note the caches as they are left."""
        intact = []
        for cache, record in list(self._records.items()):
            if record.reading is generation.reading:
                held = self._cached_slots(cache, record)
                try:
                    record.check_slots(cache, held)
                except CacheError:
                    continue
                intact.append((cache, record, held))
        if generation.scaled is not None:
            generation.scaled.restore()
        for cache, record, held in intact:
            self._records[cache] = CacheRecord.of(cache, record.reading, held, record.batch)

    def _given_prompt(self, call: GenerateCall) -> Reading | None:
        """Return the reading of the prompts that a ``generate`` call is given, if any."""
        ids, mask, cache = call.ids, call.mask, call.cache
        if any(other.scaled and other.scaled.holds(cache) for other in self._generations):
            raise CacheError(
                "generate() was called inside another generate() with the same cache: give each a "
                "cache of its own"
            )
        if ids is None:
            if self.readings.finder.audio_mask is None:
                return None
            ids = token_ids(None, *self.readings.finder.audio_mask().shape)
        record = None if cache is None else self._records.get(cache)
        held = 0 if cache is None else int(cache.get_seq_length())
        earlier = None
        if held and record is not None:
            earlier = record.check(cache, held, ids.shape[0], self._same_gains)
        past = 0 if mask is None else mask.shape[1] - ids.shape[1]
        if past > 0:
            if earlier is None:
                raise _unknown_cache()
            if past != held:
                raise CacheError(
                    f"the attention mask covers {past} tokens before input_ids, but the cache "
                    f"holds {held}: give all that it lacks, or the whole conversation"
                )
            reading = self.readings.longer(earlier, ids, mask, past)
        else:
            reading = self.readings.new(ids, mask)
            if earlier is not None:
                check_prefix(earlier, reading, held)
                reading.unsteered, reading.row_state = earlier.unsteered, earlier.row_state
                self.readings.unfinished.pop(earlier.number, None)  # its rest is read now
            elif held:
                _check_unsteered(reading, held)
        self._refuse_unfinished(reading)
        if call.embedded:
            reading.ids = token_ids(None, *reading.ids.shape).numpy()
        reading.by_generate = True
        return reading

    def _refuse_unfinished(self, reading: Reading) -> None:
        missing = self.readings.unfinished.pop(reading.number, None)
        if missing is not None:
            self.readings.forget_latest()
            raise PromptLengthError(
                f"{missing}. generate() is given whole prompts: leave prompt_length out, or give "
                "the number of tokens of each prompt, padding not counted"
            )

    def _new_prompt(self, tokens: Tensor, mask: Any, embedded: bool) -> Reading:
        """Return the reading of prompts that start with a pass."""
        if self.readings.finder.audio_mask is None and embedded:
            raise NoAudioError(
                "inputs_embeds without input_ids do not show where the audio is: say where, with "
                "mata(model, audio_mask=...), a bool mask of shape (batch, tokens)"
            )
        if self.readings.finder.audio_mask is not None and self._generations:
            raise SettingsError(
                "another prompt is read inside generate(), but audio_mask marks the audio of only "
                "one batch of prompts: read the other one outside the block"
            )
        return self.readings.new(tokens, mask)

    def _continued(
        self, record: CacheRecord | None, tokens: Tensor, mask: Any, cache: Any, past: int
    ) -> Reading:
        """Return the reading that a pass outside ``generate`` continues."""
        if record is None:
            raise _unknown_cache()
        batch, queries = tokens.shape
        reading = record.check(cache, past, batch, self._same_gains)
        width = reading.prompt.width
        own = past >= width or reading.has(on_host(tokens), past)
        if reading.continues:
            if not own:
                raise CacheError(
                    "the tokens of this pass are not those that follow in the prompt that adopt() "
                    "was given"
                )
            return reading
        if self.readings.finder.prompt_length is not None:
            return self.readings.longer(reading, tokens, mask, past)
        if past < width and not (own and past + queries == width):
            raise PromptLengthError(
                f"the cache was cropped to {past} of its prompt's {width} tokens, and what follows "
                "may be prompt or answer. Say where the prompt ends: "
                "mata(model, prompt_length=...), or call generate() with the whole prompt"
            )
        if past >= width and queries > 1:
            raise PromptLengthError(
                f"a forward pass outside generate() adds {queries} tokens to a cache of {past}: "
                "they may be prompt or answer. Say where the prompt ends: "
                "mata(model, prompt_length=...)"
            )
        return reading


def _scaled_keys(generation: _Generation, cache: Any) -> ScaledKeys | None:
    """Return the generation's cache as one whose keys may be scaled, if ``cache`` is that one."""
    if cache is None or torch.is_grad_enabled():
        return None
    if generation.scaled is None:
        generation.scaled = ScaledKeys(cache)
    return generation.scaled if generation.scaled.holds(cache) else None


def _check_unsteered(reading: Reading, held: int) -> None:
    """Note that ``held`` slots were filled without the setting, which must not change them."""
    if reading.prompt.active[:, :held].any():
        raise SettingsError(
            "the cache holds rows that the setting changes, but was filled without it. With "
            'rows="last", fill it with less than the whole prompt; with other rows, call '
            "generate() with the whole prompt and no cache"
        )
    reading.unsteered = held


def _unknown_cache() -> CacheError:
    return CacheError(
        "this cache was not filled while the model was steered, so its audio positions are "
        "unknown: call generate() with the input_ids of the whole conversation, or name its prompt "
        "with applied.adopt(cache, ids, mask), where `with mata(model) as applied`; for a copy of "
        "a cache that was filled in the block, add steered=True"
    )
