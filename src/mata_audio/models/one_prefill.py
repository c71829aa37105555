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

from mata_audio.families import Located, locate, using_row_state
from mata_audio.models.caches import can_be_repeated
from mata_audio.models.prefill import Inputs, Prefilled
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.attachment import Attachment
from mata_audio.steering.by_rule import (
    NOTHING,
    attachment_by_rule,
    side_by_side,
    steered_layers,
)
from mata_audio.steering.listening import Listening
from mata_audio.steering.other_prompt import OtherPrompt
from mata_audio.steering.receipt import Receipt
from mata_audio.steering.rule import Rule

ROWS_AT_ONCE = 64
"""Rows (items x settings) in one batch; beyond it keys and values would take too much memory."""


@dataclass(frozen=True)
class Generated:
    """What was generated for one prompt under one setting.

    Args:
        tokens: the new token ids, up to the end of the answer.
        listening: how the changed prompt rows listened; nothing for the baseline.
    """

    tokens: tuple[int, ...]
    listening: Listening


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
    others: Mapping[str, Inputs] | None = None,
) -> list[dict[str, Generated]]:
    """Generate for every prompt under every setting.

    Args:
        model: a supported model, not steered.
        inputs: model inputs on the model's device, ``input_ids`` of shape ``(batch, tokens)``:
            prompts of one length, or shorter ones padded on the left.
        settings: the baseline (``method`` None) may be among them.
        config: from :func:`greedy`.
        receipts: what the intervention did is added here, by setting name. Unchanged if an error is
            raised.
        tokenizer: for settings that change text or special tokens.
        others: inputs of the second prompts that settings compare with, by name.

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
        prompts = Prefilled.read(located, inputs)
        named = {name for setting in shared for name in _rule(setting).others}
        beside = {
            name: Prefilled.read(located, own)
            for name, own in (others or {}).items()
            if name in named
        }
        at_once = ROWS_AT_ONCE // len(results) if can_be_repeated(prompts.cache) else 1
        parts = list(_together(shared, at_once))
        for number, part in enumerate(parts):
            last = number == len(parts) - 1
            start = _Start(prompts.rows(len(part), used_up=last), beside, tokenizer)
            done |= _generate_part(located, inputs, part, config, results, start)
    for setting in separate:
        done |= _generate_part(
            located, inputs, [setting], config, results, _Start((dict(inputs), None), {}, tokenizer)
        )
    if receipts is not None:
        for name, receipt in done.items():
            receipts[name] = receipts[name] + receipt if name in receipts else receipt
    return [{s.name: found[s.name] for s in settings} for found in results]


def _together(settings: Sequence[NamedSetting], rows: int) -> Iterator[list[NamedSetting]]:
    """Split settings into parts that can run side by side, of at most ``rows`` rows a prompt.

    The baseline goes with the first settings that change attention only, or by itself.
    """
    alike: dict[Any, list[NamedSetting]] = {}
    for setting in settings:
        if setting.method is not None:
            alike.setdefault(side_by_side(setting.method.rule()), []).append(setting)
    groups = list(alike.values())
    baseline = [setting for setting in settings if setting.method is None]
    plain = [group for group in groups if _is_plain(_rule(group[0]))]
    if plain:
        plain[0][:0] = baseline
    elif baseline:
        groups.insert(0, baseline)
    for group in groups:
        at_once = max(1, rows // _views(group[0]))
        for start in range(0, len(group), at_once):
            yield group[start : start + at_once]


def _rule(setting: NamedSetting) -> Rule:
    return NOTHING if setting.method is None else setting.method.rule()


def _is_plain(rule: Rule) -> bool:
    """Whether a rule changes attention and nothing else."""
    return rule.combine is None and rule.look is None


def _views(setting: NamedSetting) -> int:
    return len(_rule(setting).views)


def _can_share(setting: NamedSetting) -> bool:
    """Whether a setting changes nothing before the last prompt token."""
    return _rule(setting).rows.is_last


@dataclass(frozen=True)
class _Start:
    """What settings go on from: ``generate``'s arguments with their row state, and the rest."""

    prompt: tuple[dict[str, Any], Tensor | None]
    beside: Mapping[str, Prefilled]
    tokenizer: Any


def _generate_part(
    located: Located,
    inputs: Inputs,
    part: Sequence[NamedSetting],
    config: GenerationConfig,
    results: Sequence[dict[str, Generated]],
    start: _Start,
) -> dict[str, Receipt]:
    """Generate under settings side by side, add to ``results`` and return their receipts."""
    ids, rows = inputs["input_ids"], len(part)
    prompt, state = start.prompt
    with (
        using_row_state(located, state),
        _steered(located, part, len(ids), start) as attachment,
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
    located: Located, part: Sequence[NamedSetting], batch: int, start: _Start
) -> Iterator[Attachment | None]:
    """Steer with gains for each row: item 0 under every setting, item 1 under every setting, ..."""
    if all(setting.method is None for setting in part):
        yield None
        return
    rules = [_rule(setting) for setting in part]
    others = {
        name: OtherPrompt(*start.beside[name].rows(len(part)))
        for name in rules[0].others
        if name in start.beside
    }
    with attachment_by_rule(
        located, rules, batch=batch, tokenizer=start.tokenizer, others=others
    ) as attachment:
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
