"""Finding the decoder, its attention and the audio and image tokens of a given model."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from torch import nn

from mata_audio.errors import UnsupportedModelError
from mata_audio.families.family import Family, Located
from mata_audio.families.registering import REGISTERED
from mata_audio.families.table import FAMILIES, UNSUPPORTED
from mata_audio.families.wrappers import unwrapped


def locate(model: nn.Module) -> Located:
    """Find the decoder and the audio and image tokens of ``model``.

    Raises:
        UnsupportedModelError: the architecture is not in :data:`FAMILIES`, or is built otherwise
            than the installed Transformers builds it.
    """
    model = unwrapped(model)
    family = _family(model)
    listener = follow(model, family.listener)
    found = (follow(listener, path) for path in family.decoders)
    decoder = next((part for part in found if hasattr(part, "layers")), None)
    if listener is None or decoder is None:
        raise UnsupportedModelError(
            f"{type(model).__name__} is a {family.model_type} model, but its decoder is not at "
            f"{' or '.join(family.decoders)}: this Transformers version lays it out otherwise"
        )
    attentions = tuple(_attention(layer, family) for layer in decoder.layers)
    known = [module for module in attentions if module is not None]
    found_ids = {name: follow(listener.config, path) for name, path in family.tokens.items()}
    token_ids = {name: value for name, value in found_ids.items() if value is not None}
    audio_mask = None if family.positions is None else partial(family.positions, model)
    if not known or not (token_ids or audio_mask):
        paths = " or ".join(f"config.{path}" for path in family.tokens.values())
        missing = paths if known else "layer with attention"
        raise UnsupportedModelError(
            f"{type(model).__name__} has no {missing}: it cannot be asked about "
            f"{' or '.join(family.tokens)}"
        )
    for module in known:
        _check_interface(module)
    heads: Any = known[0].config
    return Located(
        family=family,
        listener=listener,
        attentions=attentions,
        heads=heads.num_attention_heads,
        token_ids=token_ids,
        audio_mask=audio_mask,
    )


def _attention(layer: nn.Module, family: Family) -> nn.Module | None:
    """Return the attention module of a decoder layer, or None where it has none."""
    if family.attends is not None and getattr(layer, family.attends[0]) != family.attends[1]:
        return None
    module: nn.Module = getattr(layer, family.attention)
    return module


def _check_interface(module: nn.Module) -> None:
    """Refuse attention that never asks Transformers which function to use: it can't be rerouted."""
    file = sys.modules[type(module).__module__]
    if not hasattr(file, "ALL_ATTENTION_FUNCTIONS"):
        raise UnsupportedModelError(
            f"{type(module).__name__} of {type(module).__module__} computes attention by itself, "
            "not through Transformers' attention interface (ALL_ATTENTION_FUNCTIONS), so its "
            "scores cannot be changed: load the model with Transformers' own class for it"
        )


def _family(model: nn.Module) -> Family:
    name = type(model).__name__
    known = REGISTERED.get(name)
    if known is not None:
        return known
    return family_named(getattr(getattr(model, "config", None), "model_type", None), name)


def family_named(model_type: str | None, owner: str) -> Family:
    """Return the family of ``model_type``; ``owner`` is what has it, for the error message.

    Raises:
        UnsupportedModelError: the architecture is not in :data:`FAMILIES`, and not registered.
    """
    for family in (*REGISTERED.values(), *FAMILIES):
        if family.model_type == model_type:
            return family
    supported = ", ".join(family.model_type for family in FAMILIES)
    if model_type in UNSUPPORTED:
        raise UnsupportedModelError(
            f"{owner} (model_type {model_type!r}) cannot be supported, because "
            f"{UNSUPPORTED[model_type]}; supported: {supported}"
        )
    raise UnsupportedModelError(
        f"{owner} (model_type {model_type!r}) is not a supported audio or vision language model; "
        f"supported: {supported}. For another, call mata_audio.register_family once "
        "(docs/families.md, 'Your own model')"
    )


def follow(start: Any, path: str) -> Any:
    """Return the attribute of ``start`` at a dotted ``path`` ("" is itself), or None."""
    for name in path.split(".") if path else []:
        start = getattr(start, name, None)
    return start
