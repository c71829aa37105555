"""What a family row says, and the parts found in one model."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn


@dataclass(frozen=True)
class PromptStyle:
    """How a question about clips is put to a family.

    Args:
        audio_first: clips before the question, or after it.
        system: system prompt; None for the chat template's own.
    """

    audio_first: bool = True
    system: str | None = None


Positions = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Family:
    """How to reach what MATA needs in one architecture.

    Args:
        model_type: ``config.model_type`` of the model as users hold it.
        loader: class in ``transformers`` that loads a checkpoint for question answering.
        listener: dotted path from that model to the module whose ``forward`` takes ``input_ids``
            with audio tokens ("" for the model itself).
        decoders: dotted paths from the listener to the text decoder (the module with ``layers``),
            newest Transformers layout first.
        attention: name of the attention module in a decoder layer.
        attends: attribute of a decoder layer and the value that it has where that module is
            attention; None where every layer attends.
        audio_token: dotted path from the listener's config to the audio token id.
        expands_single_tokens: whether the model itself expands a prompt in which no two audio
            tokens are adjacent (the legacy way), so that positions in ``input_ids`` would be wrong.
        prompt_style: how ``mata ask`` puts a question.
        positions: where ``input_ids`` do not tell where the audio is: asked, with the model, for a
            mask of the prompt that is about to be read, bool, shape ``(batch, tokens)``.
        row_state: dotted paths from the listener to what the model keeps of its latest prompt
            beside the cache, one row a sample; newest Transformers layout first.
    """

    model_type: str
    loader: str
    listener: str = ""
    decoders: tuple[str, ...] = ("model.language_model",)
    attention: str = "self_attn"
    attends: tuple[str, str] | None = None
    audio_token: str = "audio_token_id"
    expands_single_tokens: bool = False
    prompt_style: PromptStyle = PromptStyle()
    positions: Positions | None = None
    row_state: tuple[str, ...] = ()


@dataclass(frozen=True)
class Located:
    """The parts of one model that the intervention works on.

    Args:
        family: its row in :data:`mata_audio.families.FAMILIES`.
        listener: the module whose ``forward`` takes ``input_ids`` with audio tokens.
        attentions: the attention module of each decoder layer; None where a layer has none (Mamba,
            experts, MLP), so that a layer's number is its place in the decoder.
        heads: query heads of each layer.
        audio_token_id: token id at audio positions; -1 where no token is.
        audio_mask: returns the mask of the prompt that is about to be read, where the family tells
            it so.
    """

    family: Family
    listener: nn.Module
    attentions: tuple[nn.Module | None, ...]
    heads: int
    audio_token_id: int
    audio_mask: Callable[[], Tensor] | None = None

    @property
    def depth(self) -> int:
        """Number of decoder layers, with attention or without."""
        return len(self.attentions)

    @property
    def attending(self) -> tuple[int, ...]:
        """Numbers of the decoder layers that have attention."""
        return tuple(i for i, module in enumerate(self.attentions) if module is not None)

    @property
    def first_attention(self) -> nn.Module:
        """The attention module of the first layer that has one."""
        return self.attention(self.attending[0])

    def attention(self, layer: int) -> nn.Module:
        """Return the attention module of a layer of :attr:`attending`."""
        module = self.attentions[layer]
        assert module is not None
        return module
