"""What differs between model families, as data, and finding the decoder of a given model.

A new family is one :class:`Family` row in :data:`FAMILIES`; see CONTRIBUTING.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import nn

from mata_audio.errors import UnsupportedModelError


@dataclass(frozen=True)
class PromptStyle:
    """How a question about clips is put to a family.

    Args:
        audio_first: clips before the question, or after it.
        system: system prompt; None for the chat template's own.
    """

    audio_first: bool = True
    system: str | None = None


# What its makers advise for questions that are no dialogue.
_OMNI_STYLE = PromptStyle(system="You are a helpful assistant.")


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
        audio_token: attribute of the listener's config that holds the audio token id.
        expands_single_tokens: whether the model itself expands a prompt in which no two audio
            tokens are adjacent (the legacy way), so that positions in ``input_ids`` would be wrong.
        prompt_style: how ``mata ask`` puts a question.
        row_state: dotted paths from the listener to what the model keeps of its latest prompt
            beside the cache, one row a sample; newest Transformers layout first.
    """

    model_type: str
    loader: str
    listener: str
    decoders: tuple[str, ...]
    attention: str = "self_attn"
    audio_token: str = "audio_token_id"
    expands_single_tokens: bool = False
    prompt_style: PromptStyle = PromptStyle()
    row_state: tuple[str, ...] = ()


# How far each sample's positions are from its slots.
_ROPE_DELTAS = ("model.rope_deltas", "rope_deltas")

FAMILIES: tuple[Family, ...] = (
    Family(
        model_type="qwen2_audio",
        loader="Qwen2AudioForConditionalGeneration",
        listener="",
        decoders=("model.language_model",),
        expands_single_tokens=True,
    ),
    # Only the thinker listens; the talker and the vocoder turn its answer into speech.
    Family(
        model_type="qwen2_5_omni",
        loader="Qwen2_5OmniThinkerForConditionalGeneration",
        listener="thinker",
        decoders=("model.language_model", "model"),
        prompt_style=_OMNI_STYLE,
        row_state=_ROPE_DELTAS,
    ),
    Family(
        model_type="qwen2_5_omni_thinker",
        loader="Qwen2_5OmniThinkerForConditionalGeneration",
        listener="",
        decoders=("model.language_model", "model"),
        prompt_style=_OMNI_STYLE,
        row_state=_ROPE_DELTAS,
    ),
)


@dataclass(frozen=True)
class Located:
    """The parts of one model that the intervention works on.

    Args:
        family: its row in :data:`FAMILIES`.
        listener: the module whose ``forward`` takes ``input_ids`` with audio tokens.
        attentions: the decoder's attention modules, in layer order.
        heads: query heads of each layer.
        audio_token_id: token id at audio positions.
    """

    family: Family
    listener: nn.Module
    attentions: tuple[nn.Module, ...]
    heads: int
    audio_token_id: int

    @property
    def depth(self) -> int:
        """Number of decoder layers."""
        return len(self.attentions)


def locate(model: nn.Module) -> Located:
    """Find the decoder and the audio token of ``model``.

    Raises:
        UnsupportedModelError: the architecture is not in :data:`FAMILIES`, or is built otherwise
            than the installed Transformers builds it.
    """
    model = getattr(model, "_orig_mod", model)  # torch.compile wraps the module
    family = _family(model)
    listener = follow(model, family.listener)
    found = (follow(listener, path) for path in family.decoders)
    decoder = next((part for part in found if hasattr(part, "layers")), None)
    if listener is None or decoder is None:
        raise UnsupportedModelError(
            f"{type(model).__name__} is a {family.model_type} model, but its decoder is not at "
            f"{' or '.join(family.decoders)}: this Transformers version lays it out otherwise"
        )
    attentions = tuple(getattr(layer, family.attention) for layer in decoder.layers)
    return Located(
        family=family,
        listener=listener,
        attentions=attentions,
        heads=attentions[0].config.num_attention_heads,
        audio_token_id=getattr(listener.config, family.audio_token),
    )


def _family(model: nn.Module) -> Family:
    model_type = getattr(getattr(model, "config", None), "model_type", None)
    return family_named(model_type, type(model).__name__)


def family_named(model_type: str | None, owner: str) -> Family:
    """Return the family of ``model_type``; ``owner`` is what has it, for the error message.

    Raises:
        UnsupportedModelError: the architecture is not in :data:`FAMILIES`.
    """
    for family in FAMILIES:
        if family.model_type == model_type:
            return family
    supported = ", ".join(family.model_type for family in FAMILIES)
    raise UnsupportedModelError(
        f"{owner} (model_type {model_type!r}) is not a supported audio language "
        f"model; supported: {supported}. To register another, add a Family row to "
        "mata_audio.families.FAMILIES (CONTRIBUTING.md, 'Add a family')"
    )


def follow(start: Any, path: str) -> Any:
    """Return the attribute of ``start`` at a dotted ``path`` ("" is itself), or None."""
    for name in path.split(".") if path else []:
        start = getattr(start, name, None)
    return start
