"""The facts about a family, and the parts of one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

import torch
from torch import Tensor, nn

from mata_audio.errors import SettingsError, UnsupportedModelError
from mata_audio.shown.one_line import OneLine


@dataclass(frozen=True)
class PromptStyle(OneLine):
    """How a question about clips is put to a family.

    Args:
        audio_first: whether clips come before the question, or after it.
        system: system prompt; None for the chat template's.
        turn: the turn that holds the question, "user" or "system"; clips are always in the user's.
    """

    audio_first: bool = True
    system: str | None = None
    turn: Literal["user", "system"] = "user"


@dataclass(frozen=True)
class Hearing(OneLine):
    """Which clips a family's processor takes.

    Args:
        longest: greatest duration of a clip, in seconds or as a dotted path from the processor to
            it; the processor cuts the rest off silently. None for any duration.
        clips: greatest number of clips in one prompt; None for any.
        padded: if set, a clip gets the tokens of the next multiple of this many seconds, with
            silence at the end.
        ignores_padding: whether a clip sounds the same to the model beside a longer one, so that
            prompts of different lengths may share a batch. Some encoders see their padding.
        drops_masked: whether the model drops the frames that ``feature_attention_mask`` hides
            before it encodes the others, so that they need not be kept.
    """

    longest: float | str | None = None
    clips: int | None = None
    padded: float | None = None
    ignores_padding: bool = False
    drops_masked: bool = False


Positions = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Family(OneLine):
    """How to reach what MATA needs in one architecture.

    Args:
        model_type: ``config.model_type`` of the model that users load.
        loader: class in ``transformers`` that loads a checkpoint for question answering.
        listener: dotted path from that model to the module whose ``forward`` takes ``input_ids``
            with audio or image tokens ("" for the model itself).
        decoders: dotted paths from the listener to the text decoder (the module with ``layers``),
            newest Transformers layout first.
        attention: name of the attention module in a decoder layer.
        attends: attribute of a decoder layer, and its value in layers whose module is attention;
            None if all layers have attention.
        tokens: dotted paths from the listener's config to the token ids, by kind
            (:data:`mata_audio.notation.tokens.TOKENS`).
        mutual: the kinds in ``tokens`` whose tokens, within one clip or picture, see each other in
            every layer, later ones too. Only the reference of ``mata doctor`` needs this; MATA uses
            the model's mask.
        expands_single_tokens: whether the model itself expands a prompt in which no two audio
            tokens are adjacent (the legacy way), so that positions in ``input_ids`` would be wrong.
        prompt_style: how ``mata ask`` puts a question.
        prompts: what writes its prompts: the processor's chat template, or the package
            mistral-common through the tokenizer.
        hearing: which clips its processor takes.
        adapter: name and subfolder of the checkpoint's adapter for sound, if its makers load one by
            hand; None otherwise.
        config: values set in its config when it is loaded for questions, by dotted path.
        positions: for models whose ``input_ids`` do not show where the audio is: a function from
            the model to the mask of the prompt about to be read, bool, shape ``(batch, tokens)``.
        row_state: dotted paths from the listener to what the model keeps of its latest prompt
            outside the cache, one row a sample; newest Transformers layout first.
    """

    model_type: str
    loader: str
    listener: str = ""
    decoders: tuple[str, ...] = ("model.language_model",)
    attention: str = "self_attn"
    attends: tuple[str, str] | None = None
    tokens: Mapping[str, str] = field(
        default_factory=lambda: {"audio": "audio_token_id"}, hash=False
    )
    mutual: tuple[str, ...] = ()
    expands_single_tokens: bool = False
    prompt_style: PromptStyle = PromptStyle()
    prompts: Literal["template", "mistral-common"] = "template"
    hearing: Hearing = Hearing()
    adapter: tuple[str, str] | None = None
    config: Mapping[str, Any] = field(default_factory=dict, hash=False)
    positions: Positions | None = None
    row_state: tuple[str, ...] = ()


@dataclass(frozen=True)
class Located(OneLine):
    """The parts of one model that the intervention works on.

    Args:
        family: its row in :data:`mata_audio.families.FAMILIES`.
        listener: the module whose ``forward`` takes ``input_ids`` with audio or image tokens.
        attentions: the attention module of each decoder layer, or None for a layer without one
            (Mamba, experts, MLP): a layer's number is its place in the decoder.
        heads: number of query heads of each layer.
        token_ids: ids of the kinds of tokens that this model has; empty only with ``audio_mask``.
        audio_mask: returns the mask of the prompt about to be read, if the family has
            ``positions``; None otherwise.
    """

    family: Family = field(repr=False)
    listener: nn.Module = field(repr=False)
    attentions: tuple[nn.Module | None, ...] = field(repr=False)
    heads: int
    token_ids: Mapping[str, int]
    audio_mask: Callable[[], Tensor] | None = None

    @property
    def audio_token_id(self) -> int:
        """Token id at audio positions.

        Raises:
            UnsupportedModelError: the model has none.
        """
        if "audio" not in self.token_ids:
            raise UnsupportedModelError(
                f"a {self.family.model_type} model has no audio tokens, only those of "
                f"{' and '.join(self.token_ids)}: it cannot be asked about audio"
            )
        return self.token_ids["audio"]

    def ids_of(self, tokens: str) -> tuple[int, ...]:
        """Return the ids of ``tokens``, kinds of tokens such as ``"audio,image"``.

        Raises:
            SettingsError: the model has no tokens of one of these kinds.
        """
        missing = [name for name in tokens.split(",") if name not in self.token_ids]
        if missing:
            raise SettingsError(
                f"a {self.family.model_type} model has no {' and no '.join(missing)} tokens, which "
                f'tokens="{tokens}" asks for; it has: '
                + ", ".join(f'tokens="{name}"' for name in self.token_ids)
            )
        return tuple(self.token_ids[name] for name in tokens.split(","))

    @property
    def depth(self) -> int:
        """Number of decoder layers, with attention or without."""
        return len(self.attentions)

    @property
    def attending(self) -> tuple[int, ...]:
        """Numbers of the decoder layers that have attention."""
        return tuple(i for i, module in enumerate(self.attentions) if module is not None)

    @property
    def device(self) -> torch.device:
        """Device of the first attention module."""
        return next(self.first_attention.parameters()).device

    @property
    def first_attention(self) -> nn.Module:
        """The attention module of the first layer that has one."""
        return self.attention(self.attending[0])

    def attention(self, layer: int) -> nn.Module:
        """Return the attention module of a layer of :attr:`attending`."""
        module = self.attentions[layer]
        assert module is not None
        return module
