"""Loading a model for a harness: its setting is checked before any weights are read."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from mata_audio.families import Located, locate
from mata_audio.harnesses.arguments import Arguments
from mata_audio.methods import Method
from mata_audio.models.finding import find_model, skeleton
from mata_audio.models.loading import Loaded, load_processor, load_weights


def load_checked(
    model: str, arguments: Arguments, check: Callable[[Located, Any, Method], None]
) -> Loaded:
    """Load a model.

    Args:
        model: "tiny", a local folder or a hub id.
        arguments: how to load it, and its setting.
        check: called with the parts of the model without its weights, the tokenizer and the method;
            it raises if the method cannot be used.

    Raises:
        MataError: as :func:`mata_audio.models.loading.load`, or what ``check`` raises.
    """
    weights = dict(arguments.loading)
    found = find_model(model, trust_remote_code=weights.pop("trust_remote_code", False))
    processor = load_processor(found)
    if arguments.method is not None:
        empty = skeleton(found, weights.get("attn_implementation"))
        check(locate(empty), processor.tokenizer, arguments.method)
    return Loaded(load_weights(found, **weights), processor, found.name, found.family)
