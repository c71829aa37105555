"""Finding a model's decoder, its attention modules and its audio and image tokens."""

from __future__ import annotations

import sys
from functools import partial
from typing import Any

from torch import nn

from mata_audio.errors import UnsupportedModelError
from mata_audio.families.family import Family, Located
from mata_audio.families.registering import REGISTERED
from mata_audio.families.table import FAMILIES, UNSUPPORTED
from mata_audio.families.versions import NEWEST, OLDEST
from mata_audio.families.wrappers import unwrapped


def locate(model: nn.Module) -> Located:
    """Find the decoder and the audio and image tokens of ``model``.

    Raises:
        UnsupportedModelError: the architecture is not known, or the model's parts are not where its
            family has them.
    """
    model = unwrapped(model)
    family = _family(model)
    listener = follow(model, family.listener)
    parts = (follow(listener, path) for path in family.decoders)
    decoder = next((part for part in parts if hasattr(part, "layers")), None)
    if listener is None or decoder is None:
        raise UnsupportedModelError(
            f"{type(model).__name__} is a {family.model_type} model, but has no decoder at "
            f"{' or '.join(family.decoders)}: use Transformers {OLDEST} to {NEWEST}, or correct "
            "the path if you registered it"
        )
    attentions = tuple(_attention(layer, family) for layer in decoder.layers)
    present = [module for module in attentions if module is not None]
    ids = {name: follow(listener.config, path) for name, path in family.tokens.items()}
    token_ids = {name: token_id for name, token_id in ids.items() if token_id is not None}
    audio_mask = None if family.positions is None else partial(family.positions, model)
    if not present or not (token_ids or audio_mask):
        paths = " or ".join(f"config.{path}" for path in family.tokens.values())
        missing = paths if present else "layer with attention"
        raise UnsupportedModelError(
            f"{type(model).__name__} has no {missing}: it cannot be asked about "
            f"{' or '.join(family.tokens)}"
        )
    for module in present:
        _check_interface(module)
    config: Any = present[0].config
    return Located(
        family=family,
        listener=listener,
        attentions=attentions,
        heads=config.num_attention_heads,
        token_ids=token_ids,
        audio_mask=audio_mask,
    )


def _attention(layer: nn.Module, family: Family) -> nn.Module | None:
    """Return the attention module of a decoder layer; None if it has none."""
    if family.attends is not None and getattr(layer, family.attends[0]) != family.attends[1]:
        return None
    module: nn.Module = getattr(layer, family.attention)
    return module


def _check_interface(module: nn.Module) -> None:
    """Refuse attention that bypasses Transformers' attention interface: it can't be rerouted."""
    file = sys.modules[type(module).__module__]
    if not hasattr(file, "ALL_ATTENTION_FUNCTIONS"):
        raise UnsupportedModelError(
            f"{type(module).__name__} of {type(module).__module__} computes attention by itself, "
            "not through Transformers' attention interface (ALL_ATTENTION_FUNCTIONS), so its "
            "scores cannot be changed: load the model with Transformers' own class for it"
        )


def _family(model: nn.Module) -> Family:
    name = type(model).__name__
    registered = REGISTERED.get(name)
    if registered is not None:
        return registered
    return family_named(getattr(getattr(model, "config", None), "model_type", None), name)


def family_named(model_type: str | None, owner: str) -> Family:
    """Return the family of ``model_type``; the error message calls the model ``owner``.

    Raises:
        UnsupportedModelError: it is neither in :data:`FAMILIES` nor registered.
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
        f"supported: {supported}. To add another, call mata_audio.register_family once "
        "(docs/families.md, 'Your own model')"
    )


def follow(start: Any, path: str) -> Any:
    """Return the attribute of ``start`` at a dotted ``path`` ("" is itself), or None."""
    for name in path.split(".") if path else []:
        start = getattr(start, name, None)
    return start
