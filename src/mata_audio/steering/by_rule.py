"""From what methods do, as rules, to an attachment: every row of a batch may have its own rule."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from functools import partial
from typing import Any

import torch
from torch import Tensor

from mata_audio.families import Located
from mata_audio.notation.keys import BY_TOKENIZER
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.audio_share import AudioShare
from mata_audio.steering.gain_tensor import KeyGains, gains_on
from mata_audio.steering.key_kinds import KeyKinds, kinds_beside
from mata_audio.steering.observation import Observer
from mata_audio.steering.other_prompt import OtherPrompt
from mata_audio.steering.rule import Change, FirstLook, Rule
from mata_audio.steering.token_kinds import vocabulary
from mata_audio.steering.views import Answering

NOTHING = Rule(((),))
"""The unmodified model, beside rules of one view."""

Part = tuple[str, str]
"""A formula and a kind of keys."""


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
    answering = _answering(rules, located)
    first = next((rule for rule in rules if rule is not NOTHING), NOTHING)
    kinds = key_kinds([change.keys for change in changes], first.tokens, located, tokenizer, spans)
    return Attachment(
        located,
        repeated,
        prompt_length,
        observer or answering.share,
        prompt_rows=first.rows,
        audio_mask=audio_mask,
        tokens=first.tokens,
        kinds=kinds,
        answering=answering,
        others=others,
    )


def _answering(rules: Sequence[Rule], located: Located) -> Answering:
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
        share=AudioShare(located, first.share_of) if first.share_of else None,
    )


def _combined(rules: Sequence[Rule], logits: Tensor, *seen: Tensor) -> Tensor:
    """Combine the logits of each rule's rows, shape ``(views, batch x rules, ...)``."""
    step = len(rules)
    combined = torch.empty_like(logits[0])
    for row, rule in enumerate(rules):
        assert rule.combine is not None
        own = (logits[:, row::step], *(share[row::step] for share in seen))
        combined[row::step] = rule.combine(*own)
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
    views = [view for rule in rules for view in rule.views]
    nothing = torch.zeros(located.depth, 1, located.heads)
    found = []
    for (formula, keys), own in _in_order(views) or [(("multiply", rules[0].tokens), {})]:
        gains = [
            gains_on(own[row], located) if row in own else nothing for row in range(len(views))
        ]
        found.append(KeyGains(torch.cat(gains, dim=1), formula, keys))
    return found


def side_by_side(rule: Rule) -> Hashable:
    """Return what rules must have in common to run side by side without waste."""
    parts = tuple(part for part, _ in _in_order(rule.views))
    looks = None if rule.look is None else rule.look.each_step
    return (
        parts,
        len(rule.views),
        rule.combine is None,
        rule.others,
        looks,
        rule.rows,
        rule.tokens,
        rule.share_of,
    )


def steered_layers(rule: Rule, located: Located) -> tuple[int, ...]:
    """Return the layers in which a rule changes any view."""
    gains = key_gains([rule], located)
    changed = torch.stack([change.gains.flatten(1).any(dim=1) for change in gains]).any(dim=0)
    return tuple(changed.nonzero().flatten().tolist())


def _in_order(views: Sequence[Sequence[Change]]) -> list[tuple[Part, dict[int, Change]]]:
    """Return the parts of all views, in an order that keeps each view's own.

    Each part has the changes that belong to it, by the number of their view.
    """
    found: list[tuple[Part, dict[int, Change]]] = []
    for row, view in enumerate(views):
        place = 0
        for change in view:
            part = (change.formula, change.keys)
            later = [known for known, _ in found[place:]]
            if part in later:
                place += later.index(part)
            else:
                place = len(found)
                found.append((part, {}))
            found[place][1][row] = change
            place += 1
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
        SettingsTypeError: a span is not a mask.
    """
    named = kinds_beside(tokens, keys)
    by_tokenizer = {part for keys in named for part in keys.split(",")} & set(BY_TOKENIZER)
    words = None
    if by_tokenizer and tokenizer is not None:
        config = located.listener.config
        words = vocabulary(config, located.token_ids.get("audio", -1), tokenizer)
    return KeyKinds(named, located.token_ids, words, spans or {}, tokens)
