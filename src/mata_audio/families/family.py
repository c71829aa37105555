"""What a family row says, and the parts found in one model."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import Tensor, nn

from mata_audio.errors import SettingsError, UnsupportedModelError


@dataclass(frozen=True)
class PromptStyle:
    """How a question about clips is put to a family.

    Args:
        audio_first: clips before the question, or after it.
        system: system prompt; None for the chat template's own.
        turn: whose turn the question is in, "user" or "system"; clips are always in the user's.
    """

    audio_first: bool = True
    system: str | None = None
    turn: Literal["user", "system"] = "user"


@dataclass(frozen=True)
class Hearing:
    """What a family's processor takes for sound.

    Args:
        longest: greatest duration of a clip, in seconds or as a dotted path from the processor to
            it: what is beyond is cut without a word. None where it takes any.
        clips: greatest number of clips in one prompt; None for any.
        padded: seconds; where set, a clip becomes the tokens of the next multiple, silence and all.
    """

    longest: float | str | None = None
    clips: int | None = None
    padded: float | None = None


Positions = Callable[[Any], Tensor]


@dataclass(frozen=True)
class Family:
    """How to reach what MATA needs in one architecture.

    Args:
        model_type: ``config.model_type`` of the model as users hold it.
        loader: class in ``transformers`` that loads a checkpoint for question answering.
        listener: dotted path from that model to the module whose ``forward`` takes ``input_ids``
            with audio or image tokens ("" for the model itself).
        decoders: dotted paths from the listener to the text decoder (the module with ``layers``),
            newest Transformers layout first.
        attention: name of the attention module in a decoder layer.
        attends: attribute of a decoder layer and the value that it has where that module is
            attention; None where every layer attends.
        tokens: dotted paths from the listener's config to the token ids, by what is at them
            (:data:`mata_audio.notation.tokens.TOKENS`).
        mutual: the names in ``tokens`` of what is seen both ways: in every layer the tokens of one
            clip or picture see each other. MATA goes by the model's own mask, and the reference of
            ``mata doctor``, which does not, by this.
        expands_single_tokens: whether the model itself expands a prompt in which no two audio
            tokens are adjacent (the legacy way), so that positions in ``input_ids`` would be wrong.
        prompt_style: how ``mata ask`` puts a question.
        prompts: who writes its prompts: the chat template of the processor, or the package
            mistral-common, by the tokenizer.
        hearing: what its processor takes for sound.
        adapter: name and subfolder of an adapter that a checkpoint brings for sound, and that its
            makers put on by hand; None where there is none.
        config: values that its config gets when it is loaded for questions, by dotted path.
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
class Located:
    """The parts of one model that the intervention works on.

    Args:
        family: its row in :data:`mata_audio.families.FAMILIES`.
        listener: the module whose ``forward`` takes ``input_ids`` with audio or image tokens.
        attentions: the attention module of each decoder layer; None where a layer has none (Mamba,
            experts, MLP), so that a layer's number is its place in the decoder.
        heads: query heads of each layer.
        token_ids: by what is at them, for what this model has; at least one, but where
            ``audio_mask`` is.
        audio_mask: returns the mask of the prompt that is about to be read, where the family tells
            it so.
    """

    family: Family
    listener: nn.Module
    attentions: tuple[nn.Module | None, ...]
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
        """Return the ids of ``tokens``, a normalised list of names such as ``"audio,image"``.

        Raises:
            SettingsError: the model has no tokens of a kind that is named.
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
    def first_attention(self) -> nn.Module:
        """The attention module of the first layer that has one."""
        return self.attention(self.attending[0])

    def attention(self, layer: int) -> nn.Module:
        """Return the attention module of a layer of :attr:`attending`."""
        module = self.attentions[layer]
        assert module is not None
        return module
