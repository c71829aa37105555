"""Generating under the baseline and any number of settings from one prefill.

MATA changes nothing before the last prompt token (arXiv 2509.18816, section 2), so the keys and
values of all earlier positions are the same for the baseline and for every setting. The prompt is
read once. The last token and the answer are then computed for all settings side by side, as rows of
one batch with separate gains for each row. Settings that change other rows of the prompt share
nothing: each reads the prompt itself.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch import Tensor
from transformers import GenerationConfig
from transformers.cache_utils import Cache

from mata_audio.families import Located, locate, row_state, using_row_state
from mata_audio.models.caches import can_be_repeated, forgets, repeated
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.by_rule import (
    NOTHING,
    attachment_by_rule,
    side_by_side,
    steered_layers,
)
from mata_audio.steering.listening import Listening
from mata_audio.steering.receipt import Receipt
from mata_audio.steering.rule import Rule

ROWS_AT_ONCE = 64
"""Rows (items x settings) in one batch; beyond it keys and values would take too much memory."""

Inputs = Mapping[str, Tensor]


@dataclass(frozen=True)
class Generated:
    """What was generated for one prompt under one setting.

    Args:
        tokens: the new token ids, up to the end of the answer.
        listening: how the changed prompt rows listened; nothing for the baseline.
    """

    tokens: tuple[int, ...]
    listening: Listening


# Model arguments with one entry for each token of the prompt.
_BY_TOKEN = ("input_ids", "attention_mask", "position_ids", "token_type_ids", "mm_token_type_ids")


# Entries of a generation config that only sampling uses.
_SAMPLING = ("temperature", "top_k", "top_p", "min_p", "typical_p", "epsilon_cutoff", "eta_cutoff")


def greedy(model: Any, tokenizer: Any, max_new_tokens: int) -> GenerationConfig:
    """Return a greedy copy of the model's generation config, without what only sampling uses.

    A repetition penalty stays: the checkpoint's makers chose it, and other harnesses keep it.
    """
    config = copy.deepcopy(model.generation_config)
    config.update(
        do_sample=False,
        num_beams=1,
        num_return_sequences=1,
        max_new_tokens=max_new_tokens,
        max_length=None,
        **dict.fromkeys(_SAMPLING),
    )
    if config.eos_token_id is None:
        config.eos_token_id = tokenizer.eos_token_id
    if config.pad_token_id is None:
        config.pad_token_id = tokenizer.pad_token_id
    if config.pad_token_id is None:
        eos = config.eos_token_id
        config.pad_token_id = eos[0] if isinstance(eos, list) else eos
    return config


@torch.inference_mode()
def generate_all(
    model: Any,
    inputs: Inputs,
    settings: Sequence[NamedSetting],
    config: GenerationConfig,
    receipts: dict[str, Receipt] | None = None,
    tokenizer: Any = None,
) -> list[dict[str, Generated]]:
    """Generate for every prompt under every setting.

    Args:
        model: a supported model, not steered.
        inputs: model inputs on the model's device: prompts of one length without padding,
            ``input_ids`` of shape ``(batch, tokens)``.
        settings: the baseline (``method`` None) may be among them.
        config: from :func:`greedy`.
        receipts: what the intervention did is added here, by setting name. Unchanged if an error is
            raised.
        tokenizer: for settings that change text or special tokens.

    Returns:
        For each prompt, the result by setting name.

    Raises:
        SettingsError: a layer or head that the model does not have.
        NoAudioError: a prompt holds no audio token.
    """
    located = locate(model)
    results: list[dict[str, Generated]] = [{} for _ in inputs["input_ids"]]
    done: dict[str, Receipt] = {}
    shared = [setting for setting in settings if _can_share(setting)]
    separate = [setting for setting in settings if not _can_share(setting)]
    if shared:
        cache = prefill(located.listener, inputs)
        at_once = ROWS_AT_ONCE // len(results) if can_be_repeated(cache) else 1
        parts = list(_together(shared, at_once))
        for number, part in enumerate(parts):
            own = cache if number == len(parts) - 1 else copy.deepcopy(cache)
            done |= _generate_part(located, inputs, part, config, results, tokenizer, own)
    for setting in separate:
        done |= _generate_part(located, inputs, [setting], config, results, tokenizer)
    if receipts is not None:
        for name, receipt in done.items():
            receipts[name] = receipts[name] + receipt if name in receipts else receipt
    return [{s.name: found[s.name] for s in settings} for found in results]


def prefill(listener: Any, inputs: Inputs) -> Cache:
    """Return the cache of every prompt position except the last; no logits are computed."""
    if forgets(listener):  # this cache cannot be cropped, so the last token is not read at all
        first = {k: v[:, :-1] if k in _BY_TOKEN else v for k, v in inputs.items()}
        return _cache_of(listener, first)
    cache = _cache_of(listener, inputs)
    cache.crop(-1)
    return cache


def _cache_of(listener: Any, inputs: Inputs) -> Cache:
    cache: Cache = listener.base_model(**inputs, use_cache=True).past_key_values
    return cache


def _together(settings: Sequence[NamedSetting], rows: int) -> Iterator[list[NamedSetting]]:
    """Split settings into parts that can run side by side, of at most ``rows`` rows a prompt.

    The baseline goes with the first settings of one view, or by itself.
    """
    alike: dict[Any, list[NamedSetting]] = {}
    for setting in settings:
        if setting.method is not None:
            alike.setdefault(side_by_side(setting.method.rule()), []).append(setting)
    groups = sorted(alike.values(), key=lambda group: _views(group[0]))
    baseline = [setting for setting in settings if setting.method is None]
    if groups and _views(groups[0][0]) == 1 and _rule(groups[0][0]).look is None:
        groups[0] = baseline + groups[0]
    elif baseline:
        groups.insert(0, baseline)
    for group in groups:
        at_once = max(1, rows // _views(group[0]))
        for start in range(0, len(group), at_once):
            yield group[start : start + at_once]


def _rule(setting: NamedSetting) -> Rule:
    return NOTHING if setting.method is None else setting.method.rule()


def _views(setting: NamedSetting) -> int:
    return len(_rule(setting).views)


def _can_share(setting: NamedSetting) -> bool:
    """Whether a setting changes nothing before the last prompt token."""
    return _rule(setting).rows.is_last


def _generate_part(
    located: Located,
    inputs: Inputs,
    part: Sequence[NamedSetting],
    config: GenerationConfig,
    results: Sequence[dict[str, Generated]],
    tokenizer: Any,
    cache: Cache | None = None,
) -> dict[str, Receipt]:
    """Generate under the settings of one formula, add to ``results`` and return their receipts.

    They continue from ``cache``, which is used up; without one, a single setting reads the prompt.
    """
    ids, rows = inputs["input_ids"], len(part)
    prompt: dict[str, Any] = dict(inputs)
    if cache is not None:
        if rows > 1:
            cache.batch_repeat_interleave(rows)
        prompt = {
            "input_ids": ids.repeat_interleave(rows, dim=0),
            "attention_mask": inputs["attention_mask"].repeat_interleave(rows, dim=0),
            "past_key_values": cache,
        }
    state = row_state(located) if cache is not None else None
    with (
        using_row_state(located, repeated(state, rows)),
        _steered(located, part, len(ids), tokenizer) as attachment,
    ):
        listener: Any = located.listener
        output = listener.generate(**prompt, generation_config=config)
    heard = [Listening()] * len(output) if attachment is None else attachment.listening
    answers = [_until_end(new, config) for new in output[:, ids.shape[1] :].tolist()]
    for row, (answer, own) in enumerate(zip(answers, heard, strict=True)):
        results[row // rows][part[row % rows].name] = Generated(answer, own)
    return {} if attachment is None else _receipts(located, part, attachment.receipt, heard)


@contextmanager
def _steered(
    located: Located, part: Sequence[NamedSetting], batch: int, tokenizer: Any
) -> Iterator[Attachment | None]:
    """Steer with gains for each row: item 0 under every setting, item 1 under every setting, ..."""
    if all(setting.method is None for setting in part):
        yield None
        return
    rules = [_rule(setting) for setting in part]
    with attachment_by_rule(located, rules, batch=batch, tokenizer=tokenizer) as attachment:
        yield attachment
    attachment.check()


def _receipts(
    located: Located,
    part: Sequence[NamedSetting],
    whole: Receipt,
    heard: Sequence[Listening],
) -> dict[str, Receipt]:
    """Divide a receipt among its settings, whose rows ran in the same passes.

    Args:
        located: the model's parts.
        part: the settings, one row of each prompt after the other.
        whole: the receipt of all rows.
        heard: for each row, how it listened.
    """
    rows, receipts = len(part), {}
    for place, setting in enumerate(part):
        if setting.method is None:
            continue
        steered = steered_layers(setting.method.rule(), located)
        receipts[setting.name] = replace(
            whole,
            active_rows=whole.active_rows // rows if steered else 0,
            layers=steered,
            audio_tokens=whole.audio_tokens[place::rows],
            listening=sum(heard[place::rows], Listening()),
        )
    return receipts


def _until_end(tokens: list[int], config: GenerationConfig) -> tuple[int, ...]:
    """Cut the padding that ``generate`` writes after the end-of-sequence token, which is kept."""
    eos = config.eos_token_id
    ends = set(eos) if isinstance(eos, (list, tuple)) else {eos}
    for place, token in enumerate(tokens):
        if token in ends:
            return tuple(tokens[: place + 1])
    return tuple(tokens)
