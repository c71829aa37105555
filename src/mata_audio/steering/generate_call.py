"""What a ``generate`` call is given, as ``generate`` itself will understand it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor


@dataclass(frozen=True)
class GenerateCall:
    """The arguments of a ``generate`` call that say what it reads.

    Args:
        given: its arguments by name.
        default: the model's generation config.
    """

    given: dict[str, Any]
    default: Any

    @property
    def ids(self) -> Tensor | None:
        """Token ids of the prompts, shape ``(batch, tokens)``; None for embeddings."""
        ids: Tensor | None = self.given.get("input_ids", self.given.get("inputs"))
        return ids

    @property
    def embedded(self) -> bool:
        """Whether the model will read the prompts as embeddings, whatever ``input_ids`` are for."""
        return self.given.get("inputs_embeds") is not None

    @property
    def cache(self) -> Any:
        """The cache that it is to continue, or None."""
        return self.given.get("past_key_values")

    @property
    def mask(self) -> Tensor | None:
        """The mask that ``generate`` will use: the given one, or its guess from padding."""
        mask: Tensor | None = self.given.get("attention_mask")
        ids = self.ids
        if mask is not None or ids is None:
            return mask
        pad, eos = self._option("pad_token_id"), self._option("eos_token_id")
        if pad is None or pad in (eos if isinstance(eos, (list, tuple)) else (eos,)):
            return None
        return ids != pad

    @property
    def in_pieces(self) -> bool:
        """Whether it may read the prompts in several passes."""
        return self._option("prefill_chunk_size") is not None

    @property
    def compiles(self) -> bool:
        """Whether it is asked to compile its decoding step."""
        return self._option("compile_config") is not None

    def _option(self, name: str) -> Any:
        config = self.given.get("generation_config") or self.default
        return self.given.get(name, getattr(config, name, None))
