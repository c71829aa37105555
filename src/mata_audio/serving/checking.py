"""Whether a method can answer conversations with a model, before anyone asks."""

from __future__ import annotations

from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.families import Located
from mata_audio.methods import Method
from mata_audio.steering.by_rule import key_gains, key_kinds


def check_on(located: Located, tokenizer: Any, method: Method) -> None:
    """Check that a method can serve a model.

    Args:
        located: the model's parts; it needs no weights.
        tokenizer: the processor's.
        method: the method.

    Raises:
        SettingsError: the model lacks a layer, a head or a kind of key, or the method needs a
            second prompt.
    """
    if method.rule().others:
        raise SettingsError(
            f"{method.name} answers a second prompt beside each, which cannot be made of a "
            "conversation: choose another method"
        )
    check_changes(located, tokenizer, method)


def check_changes(located: Located, tokenizer: Any, method: Method) -> None:
    """Check that a model has what a method changes; arguments as above.

    Raises:
        SettingsError: it lacks a layer, a head or a kind of key.
    """
    rule = method.rule()
    keys = [change.keys for change in key_gains([rule], located)]
    key_kinds(keys, rule.tokens, located, tokenizer, spans=None)
