"""From what methods do, as rules, to an attachment: every row of a batch may have its own rule."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mata_audio.families import Located
from mata_audio.notation.keys import BY_TOKENIZER
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.gain_tensor import KeyGains, gains_on
from mata_audio.steering.key_kinds import KeyKinds, kinds_beside
from mata_audio.steering.observation import Observer
from mata_audio.steering.other_prompt import OtherPrompt
from mata_audio.steering.rule import Change, FirstLook, Rule
from mata_audio.steering.token_kinds import vocabulary
from mata_audio.steering.views import Answering

NOTHING = Rule(((),))
"""The unmodified model, beside rules of one view."""

Part = tuple[str, str, int]
"""A formula, a kind of keys, and how many changes of the same view have both before it."""


def attachment_by_rule(
    located: Located,
    rules: Sequence[Rule],
    *,
    batch: int | None = None,
    prompt_length: int | Sequence[int] | None = None,
    audio_mask: Tensor | None = None,
    tokenizer: Any = None,
    spans: Mapping[str, Tensor] | None = None,
    observer: Observer | None = None,
    others: Mapping[str, OtherPrompt] | None = None,
) -> Attachment:
    """Steer a model by rules that have equal prompt rows, tokens and numbers of views.

    Args:
        located: the model's parts.
        rules: one for each row of a prompt.
        batch: number of prompts whose rows are side by side: prompt 0 under each rule, prompt 1
            under each rule, ... None for one rule and any number of prompts.
        prompt_length: see :meth:`mata_audio.methods.method.Method.__call__`; so for the rest.
        audio_mask: see there.
        tokenizer: see there.
        spans: see there.
        observer: see :class:`mata_audio.steering.attachment.Attachment`.
        others: see there.

    Raises:
        MataError: as there.
    """
    changes = key_gains(rules, located)
    repeated = [
        KeyGains(change.gains.repeat(1, batch or 1, 1), change.formula, change.keys)
        for change in changes
    ]
    first = rules[0]
    kinds = key_kinds([change.keys for change in changes], first.tokens, located, tokenizer, spans)
    return Attachment(
        located,
        repeated,
        prompt_length,
        observer,
        prompt_rows=first.rows,
        audio_mask=audio_mask,
        tokens=first.tokens,
        kinds=kinds,
        answering=_answering(rules),
        others=others,
    )


def _answering(rules: Sequence[Rule]) -> Answering:
    """Return how the logits of rules are made, whose rows are side by side."""
    first = rules[0]
    if first.combine is None and first.look is None:
        return Answering()
    return Answering(
        views=len(first.views),
        others=first.others,
        combine=None if first.combine is None else partial(_combined, rules),
        look=None
        if first.look is None
        else FirstLook(partial(_strengths, rules), first.look.each_step),
    )


def _combined(rules: Sequence[Rule], logits: Tensor) -> Tensor:
    """Combine the logits of each rule's rows, shape ``(views, batch x rules, ...)``."""
    combined = torch.empty_like(logits[0])
    for row, rule in enumerate(rules):
        assert rule.combine is not None
        combined[row :: len(rules)] = rule.combine(logits[:, row :: len(rules)])
    return combined


def _strengths(rules: Sequence[Rule], logits: Tensor) -> Tensor:
    """Return the strength of each rule's rows, from logits ``(batch x rules, vocabulary)``."""
    strengths = torch.ones_like(logits[:, 0])
    for row, rule in enumerate(rules):
        assert rule.look is not None
        strengths[row :: len(rules)] = rule.look.strength(logits[row :: len(rules)])
    return strengths


def key_gains(rules: Sequence[Rule], located: Located) -> list[KeyGains]:
    """Return the gains of rules, shape ``(layers, rules x views, heads)`` for each kind of change.

    Raises:
        SettingsError: the model lacks a layer or head, or gains are for another model.
    """
    rows = [_by_part(view) for rule in rules for view in rule.views]
    parts = list(dict.fromkeys(part for row in rows for part in row)) or [("multiply", "audio", 0)]
    nothing = torch.zeros(located.depth, 1, located.heads)
    found = []
    for part in parts:
        own = [gains_on(row[part], located) if part in row else nothing for row in rows]
        found.append(KeyGains(torch.cat(own, dim=1), part[0], part[1]))
    return found


def side_by_side(rule: Rule) -> Hashable:
    """Return what rules must have in common to run side by side without waste."""
    parts = tuple(sorted({part for view in rule.views for part in _by_part(view)}))
    looks = None if rule.look is None else rule.look.each_step
    return parts, len(rule.views), rule.combine is None, rule.others, looks, rule.rows, rule.tokens


def steered_layers(rule: Rule, located: Located) -> tuple[int, ...]:
    """Return the layers in which a rule changes the first view."""
    gains = key_gains([replace(rule, views=rule.views[:1])], located)
    changed = torch.stack([change.gains.flatten(1).any(dim=1) for change in gains]).any(dim=0)
    return tuple(changed.nonzero().flatten().tolist())


def _by_part(view: Sequence[Change]) -> dict[Part, Change]:
    found: dict[Part, Change] = {}
    for change in view:
        earlier = sum(part[:2] == (change.formula, change.keys) for part in found)
        found[change.formula, change.keys, earlier] = change
    return found


def key_kinds(
    keys: Sequence[str],
    tokens: str,
    located: Located,
    tokenizer: Any,
    spans: Mapping[str, Tensor] | None,
) -> KeyKinds:
    """Return what finds ``keys`` other than ``tokens`` in prompts.

    Raises:
        SettingsError: a kind cannot be found on this model, or with what is given.
    """
    named = kinds_beside(tokens, keys)
    by_tokenizer = {part for keys in named for part in keys.split(",")} & set(BY_TOKENIZER)
    words = None
    if by_tokenizer and tokenizer is not None:
        config = located.listener.config
        words = vocabulary(config, located.token_ids.get("audio", -1), tokenizer)
    return KeyKinds(named, located.token_ids, words, spans or {})
