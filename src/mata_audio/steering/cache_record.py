"""What a cache held after the latest pass that filled it, to notice what was done to it since."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from torch import Tensor

from mata_audio.errors import CacheError
from mata_audio.steering.reading import Reading


@dataclass(eq=False)
class CacheRecord:
    """A cache as the latest pass left it.

    Args:
        reading: the prompts that it holds.
        length: number of slots that were read into it.
        held: number of slots that it says it holds; None if only the device knows.
        batch: number of samples.
        keys: the keys of each layer that has some, and their version. The cache holds them too, so
            they cost no memory.
    """

    reading: Reading
    length: int
    held: int | None
    batch: int
    keys: tuple[tuple[Tensor, int | None], ...]

    @classmethod
    def of(cls, cache: Any, reading: Reading, length: int, batch: int) -> CacheRecord:
        """Note what ``cache`` holds now."""
        held = cache.get_seq_length()
        keys = tuple((key, _version(key)) for key in _keys(cache))
        return cls(reading, length, None if isinstance(held, Tensor) else held, batch, keys)

    def check_slots(self, cache: Any, past: int) -> None:
        """Check that slots 0 to ``past - 1`` may still be what they were, in whatever sample.

        Raises:
            CacheError: keys were dropped or added.
        """
        whole = self.held in (None, self.length)
        if not (whole and (past == self.length or (past < self.length and self._kept(cache)))):
            raise CacheError(
                f"the cache holds {past} tokens, but {self.length} were read into it: other code "
                "dropped or added keys, so the places of the audio are unknown. Shorten a cache "
                "with cache.crop(), and use no method that drops keys"
            )

    def check(self, cache: Any, past: int, batch: int, same_gains: bool) -> Reading:
        """Return the prompts that ``cache`` holds now.

        If samples were reordered, dropped or repeated, all must have had the same prompt layout.

        Args:
            cache: the cache, before the next pass.
            past: number of slots that it holds.
            batch: samples of the next pass.
            same_gains: whether all samples have the same gains.

        Raises:
            CacheError: which prompt each sample holds is unknown, or keys were dropped or added.
        """
        self.check_slots(cache, past)
        if batch == self.batch and self._kept(cache):
            return self.reading
        reading = self.reading.of_any_sample() if same_gains else None
        if reading is None:
            raise CacheError(
                "the samples of the cache were reordered, dropped or repeated, so which prompt "
                "each of them holds is unknown: name their prompts with applied.adopt(cache, ids, "
                "mask, steered=True), where `with mata(model) as applied`"
            )
        return reading

    def _kept(self, cache: Any) -> bool:
        """Whether the keys are those that the latest pass left, or the first slots of them."""
        now = _keys(cache)
        return len(now) == len(self.keys) and all(
            _version(key) == version and (key is kept or _first_slots(key, kept))
            for key, (kept, version) in zip(now, self.keys, strict=True)
        )


def _keys(cache: Any) -> list[Tensor]:
    """Return the keys of each layer that has some, shape ``(batch, heads, slots, head_dim)``."""
    found = (getattr(layer, "keys", None) for layer in getattr(cache, "layers", ()))
    return [keys for keys in found if isinstance(keys, Tensor)]


def _version(keys: Tensor) -> int | None:
    """Return how often ``keys`` were written to; None in inference mode, which does not count."""
    return None if keys.is_inference() else keys._version


def _first_slots(keys: Tensor, of: Tensor) -> bool:
    """Whether ``keys`` are a view of the first slots of all samples ``of`` (a cropped cache)."""
    return (
        keys.untyped_storage().data_ptr() == of.untyped_storage().data_ptr()
        and keys.storage_offset() == of.storage_offset()
        and keys.stride() == of.stride()
        and keys.shape[:2] == of.shape[:2]
        and keys.shape[2] <= of.shape[2]
    )


def check_prefix(earlier: Reading, reading: Reading, held: int) -> None:
    """Check that ``held`` slots that hold ``earlier`` are the start of ``reading``, steered so.

    Raises:
        CacheError: they are not.
    """
    kept = min(held, earlier.prompt.width)
    if not earlier.has(reading.ids[:, :kept], 0):
        raise CacheError(
            "the cache holds another prompt than the start of input_ids: give each prompt the "
            "cache that was filled with its start"
        )
    # After an answer comes a second turn: each prompt was steered as it was read.
    if held > kept or (held == kept and earlier.by_generate):
        return
    steered = earlier.prompt.expand(reading.prompt.batch).active[:, :held].copy()
    steered[:, : earlier.unsteered] = False
    if not np.array_equal(steered, reading.prompt.active[:, :held]):
        raise CacheError(
            "the cache was filled inside the block, by a prompt that ended earlier, so it holds a "
            "steered row that is not the last of this prompt: fill it before the block, where "
            "nothing is steered"
        )
