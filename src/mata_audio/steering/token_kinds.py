"""The kind of each token of a prompt: audio, image, words of some speaker, or something else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import torch
from torch import Tensor

KINDS = ("audio", "image", "system", "instruction", "generated", "special", "sink")
"""Names of the kinds; a token's kind is an index into them.

``audio``: audio tokens. ``image``: image and video tokens. ``system``: words of a system message.
``instruction``: words of any other message, and all text if there is no chat template.
``generated``: the model's own words: new tokens, and assistant messages in the prompt.
``special``: special tokens, and the chat template's own text: role names and line ends.
``sink``: the first token that is not padding, whatever its kind would be.
"""

PADDING = -1
"""The "kind" of padding."""

AUDIO, IMAGE, SYSTEM, INSTRUCTION, GENERATED, SPECIAL, SINK = range(len(KINDS))

TEXT = [SYSTEM, INSTRUCTION]
"""The kinds that the imbalance compares audio with."""

_KIND_OF_ROLE = {"system": SYSTEM, "user": INSTRUCTION, "assistant": GENERATED}


@dataclass(frozen=True)
class ChatTokens:
    """How a ChatML template marks messages, as token ids.

    Args:
        start: id of ``<|im_start|>``.
        end: id of ``<|im_end|>``.
        roles: ids of each role's name, which follows the start.
        line_end: ids of the line end after a role's name; empty if the tokenizer drops it.
    """

    start: int
    end: int
    roles: Mapping[str, tuple[int, ...]]
    line_end: tuple[int, ...]


@dataclass(frozen=True)
class Vocabulary:
    """The token ids that tell kinds apart.

    Args:
        audio: id at audio positions.
        images: ids at image and video positions.
        special: ids of special tokens; may include those of audio, images and padding.
        chat: None if the chat template is not ChatML, or there is no tokenizer.
    """

    audio: int
    images: frozenset[int] = frozenset()
    special: frozenset[int] = frozenset()
    chat: ChatTokens | None = field(default=None)


def vocabulary(config: Any, audio_token_id: int, tokenizer: Any = None) -> Vocabulary:
    """Return the token ids of a model that tell kinds apart.

    Args:
        config: config of the module that takes ``input_ids``.
        audio_token_id: token id at audio positions.
        tokenizer: without one, special tokens and messages are unknown: all text is
            ``instruction``.
    """
    found = (getattr(config, name, None) for name in ("image_token_id", "video_token_id"))
    images = frozenset(value for value in found if isinstance(value, int))
    if tokenizer is None:
        return Vocabulary(audio_token_id, images)
    special, added = set(tokenizer.all_special_ids), tokenizer.added_tokens_decoder
    if isinstance(added, Mapping):  # mistral-common's tokenizer has no such table
        special |= {place for place, token in added.items() if token.special}
    marks = (tokenizer.pad_token_id, tokenizer.eos_token_id, tokenizer.bos_token_id)
    if tokenizer.unk_token_id not in marks:
        special.discard(tokenizer.unk_token_id)  # it marks unknown words, which are text
    return Vocabulary(audio_token_id, images, frozenset(special), _chat_tokens(tokenizer))


def token_kinds(input_ids: Tensor, attention_mask: Tensor | None, vocabulary: Vocabulary) -> Tensor:
    """Return the kind of each token of a batch of prompts, shape ``(batch, tokens)``, on the CPU.

    Args:
        input_ids: shape ``(batch, tokens)``.
        attention_mask: 0 at padding, same shape; None for no padding.
        vocabulary: the token ids that tell kinds apart.

    Returns:
        Indices into :data:`KINDS`; :data:`PADDING` where the mask is 0.
    """
    real = torch.ones(input_ids.shape, dtype=torch.bool)
    if attention_mask is not None:
        real = attention_mask.cpu().bool()
    kinds = own_kinds(input_ids, vocabulary)
    kinds[real & (real.cumsum(dim=1) == 1)] = SINK
    kinds[~real] = PADDING
    return kinds


def own_kinds(input_ids: Tensor, vocabulary: Vocabulary) -> Tensor:
    """Do as :func:`token_kinds` does, but keep the first token's own kind, and know no padding."""
    ids = input_ids.cpu()
    kinds = torch.full_like(ids, INSTRUCTION)
    if vocabulary.chat is not None:
        for sample, tokens in enumerate(ids.tolist()):
            _mark_messages(kinds[sample], tokens, vocabulary.chat)
    kinds[torch.isin(ids, _tensor(vocabulary.special))] = SPECIAL
    kinds[torch.isin(ids, _tensor(vocabulary.images))] = IMAGE
    kinds[ids == vocabulary.audio] = AUDIO
    return kinds


def _mark_messages(kinds: Tensor, tokens: list[int], chat: ChatTokens) -> None:
    """Mark headers and text between messages as special, and contents by their role."""
    starts = [place for place, token in enumerate(tokens) if token == chat.start]
    for start, following in zip(starts, [*starts, len(tokens)][1:], strict=True):
        kinds[start:following] = SPECIAL
        header = start + 1
        kind = INSTRUCTION
        for role, name in chat.roles.items():
            if tuple(tokens[header : header + len(name)]) == name:
                kind = _KIND_OF_ROLE[role]
                header += len(name)
                break
        else:
            rest = tuple(tokens[header:following])
            if following == len(tokens) and any(
                name[: len(rest)] == rest for name in chat.roles.values()
            ):
                header = following  # the rest of the name comes in the next piece of the prompt
        if chat.line_end and tuple(tokens[header : header + len(chat.line_end)]) == chat.line_end:
            header += len(chat.line_end)
        content = tokens[header:following]
        end = header + (content.index(chat.end) if chat.end in content else len(content))
        kinds[header:end] = kind


def _chat_tokens(tokenizer: Any) -> ChatTokens | None:
    known = tokenizer.get_vocab()
    if "<|im_start|>" not in known or "<|im_end|>" not in known:
        return None

    def ids(text: str) -> tuple[int, ...]:
        return tuple(tokenizer(text, add_special_tokens=False)["input_ids"])

    return ChatTokens(
        start=known["<|im_start|>"],
        end=known["<|im_end|>"],
        roles={role: ids(role) for role in _KIND_OF_ROLE},
        line_end=ids("\n"),
    )


def _tensor(ids: frozenset[int]) -> Tensor:
    return torch.tensor(sorted(ids), dtype=torch.long)
