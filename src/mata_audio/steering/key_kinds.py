"""Finding the keys of one kind in a prompt: its text, its first token, a span that was marked."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.notation.keys import BEFORE_AUDIO, BY_PLACE, BY_TOKENIZER, KEYS
from mata_audio.notation.tokens import TOKENS
from mata_audio.steering.prompt import Mask, on_host
from mata_audio.steering.token_kinds import INSTRUCTION, SPECIAL, SYSTEM, Vocabulary, own_kinds

_OF_KIND = {
    "text": (SYSTEM, INSTRUCTION),
    "system": (SYSTEM,),
    "instruction": (INSTRUCTION,),
    "special": (SPECIAL,),
}


@dataclass(frozen=True)
class KeyKinds:
    """Finds keys by kind.

    Args:
        named: the kinds to find, as :func:`mata_audio.notation.keys.read_keys` returns them.
        token_ids: ids of the audio, image and video tokens that the model has, by kind.
        vocabulary: tells text from special tokens; None without a tokenizer.
        spans: marked tokens by name: bool, shape ``(batch, tokens)``, for the one batch of prompts
            that is about to be read.
        heard: the kind of tokens that a prompt's audio mask marks, whatever their ids.

    Raises:
        SettingsError: a kind cannot be found on this model, or with what was given.
        SettingsTypeError: a span is not a mask.
    """

    named: tuple[str, ...] = ()
    token_ids: Mapping[str, int] = field(default_factory=dict)
    vocabulary: Vocabulary | None = None
    spans: Mapping[str, Tensor] = field(default_factory=dict)
    heard: str = ""

    def __post_init__(self) -> None:
        for name, mask in self.spans.items():
            if not isinstance(mask, Tensor) or mask.dim() != 2:
                raise SettingsTypeError(
                    f"the span {name!r} must be a bool tensor of shape (batch, tokens), True at "
                    f"its tokens; got {tuple(mask.shape) if isinstance(mask, Tensor) else mask!r}"
                )
        known = {*self.spans, self.heard}
        for part in sorted({part for keys in self.named for part in keys.split(",")} - known):
            if part in TOKENS and part not in self.token_ids:
                raise SettingsError(
                    f"the model has no {part} tokens, which keys={part!r} asks for; it has "
                    f"{' and '.join(self.token_ids) or 'none that are known by their id'}"
                )
            if part in BY_TOKENIZER and self.vocabulary is None:
                raise SettingsError(
                    f"keys={part!r} needs the tokenizer, which tells words from special tokens: "
                    "method(model, tokenizer=processor.tokenizer)"
                )
            if part not in KEYS:
                hint = did_you_mean(part, KEYS)
                raise SettingsError(
                    f"no span is called {part!r}{hint}: mark it, method(model, spans={{{part!r}: "
                    "mask}) with a bool mask of shape (batch, tokens), or name one of "
                    f"{', '.join(KEYS)}"
                )

    def masks(
        self, ids: NDArray[np.int64], audio: Mask, in_prompt: Mask, in_pieces: bool = False
    ) -> dict[str, Mask]:
        """Return where the keys of each named kind are, bool, shape ``(batch, width)``.

        A prompt without audio has none: it is left alone.

        Args:
            ids: token ids of the prompts, shape ``(batch, width)``; negative where unknown.
            audio: True at audio tokens, same shape.
            in_prompt: True at the prompt's tokens, False at padding and in the answer, same shape.
            in_pieces: whether the prompts may go on, so that spans are longer.

        Raises:
            SettingsError: the tokens of a kind are not known, or a span does not fit the prompts.
        """
        audio = audio & in_prompt
        changed = in_prompt & audio.any(axis=1, keepdims=True)
        found = {}
        for keys in self.named:
            parts = [self._one(part, ids, audio, in_prompt, in_pieces) for part in keys.split(",")]
            found[keys] = np.logical_or.reduce(parts) & changed
        return found

    def _one(
        self, kind: str, ids: NDArray[np.int64], audio: Mask, in_prompt: Mask, in_pieces: bool
    ) -> Mask:
        if kind in self.spans:
            return _fitting(kind, self.spans[kind], ids, in_pieces)
        if kind == self.heard:
            return audio
        if kind in BY_PLACE:
            return _by_place(kind, audio, in_prompt)
        if bool((ids[in_prompt] == -1).any()):
            raise SettingsError(
                f"prompts that are given as embeddings do not show which tokens are {kind}: mark "
                f"them, method(model, spans={{{kind!r}: mask}})"
            )
        if kind in TOKENS:
            found: Mask = ids == self.token_ids[kind]
            return found
        assert self.vocabulary is not None
        kinds = own_kinds(torch.from_numpy(ids), self.vocabulary).numpy()
        return np.isin(kinds, _OF_KIND[kind]) & (ids >= 0) & ~audio


def _by_place(kind: str, audio: Mask, in_prompt: Mask) -> Mask:
    """Return the first token of each prompt, or all before its audio."""
    if kind == BEFORE_AUDIO:
        return in_prompt & (audio.cumsum(axis=1) == 0)
    return in_prompt & (in_prompt.cumsum(axis=1) == 1)


def _fitting(name: str, mask: Tensor, ids: NDArray[np.int64], in_pieces: bool) -> Mask:
    """Return the mask of a span for a batch of prompts, which may be beams of it."""
    batch, width = ids.shape
    fits = mask.shape[1] >= width if in_pieces else mask.shape[1] == width
    if not fits or batch % mask.shape[0]:
        raise SettingsError(
            f"the span {name!r} has the shape {tuple(mask.shape)}, but the batch of prompts has "
            f"{(batch, width)}: give a mask over all its tokens, padding included"
        )
    own: Mask = on_host(mask[:, :width]).astype(bool)
    return own.repeat(batch // own.shape[0], axis=0)


def kinds_beside(tokens: str, named: Sequence[str]) -> tuple[str, ...]:
    """Return the named kinds other than ``tokens``, each once, in their order."""
    return tuple(dict.fromkeys(keys for keys in named if keys != tokens))
