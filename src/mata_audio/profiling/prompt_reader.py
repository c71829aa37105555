"""Running prompts under the baseline and settings, with an observer of the attention."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

import torch
from torch import Tensor
from transformers import StoppingCriteriaList

from mata_audio.errors import NoAudioError, SettingsError, SettingsTypeError
from mata_audio.families import Located
from mata_audio.models.caches import forgets
from mata_audio.models.one_prefill import greedy
from mata_audio.models.prefill import prefill
from mata_audio.profiling.gathering import BatchMasses, Floats, Speaking
from mata_audio.settings.named import NamedSetting
from mata_audio.steering.by_rule import attachment_by_rule, key_gains
from mata_audio.steering.observation import Observer
from mata_audio.steering.rule import Rule

Inputs = Mapping[str, Tensor]
Generation = tuple[Any, frozenset[int]]
"""The config for ``generate``, and the ids of tokens that end an answer."""


class PromptBatch:
    """A checked batch of prompts for one model.

    Args:
        located: the model's parts.
        inputs: model inputs, on the model's device.
        number: the batch's number, for error messages.

    Raises:
        SettingsTypeError: ``inputs`` is not a dict of model inputs.
        NoAudioError: a prompt has no audio tokens.
    """

    def __init__(self, located: Located, inputs: Inputs, number: int = 0) -> None:
        ids = inputs.get("input_ids") if isinstance(inputs, Mapping) else None
        if not isinstance(ids, Tensor) or ids.dim() != 2:
            raise SettingsTypeError(
                f"batch {number} must be a dict of model inputs with input_ids of shape "
                f"(batch, tokens), as the processor returns it; got {_described(inputs)}"
            )
        mask = inputs.get("attention_mask")
        self.ids: Tensor = ids
        self.mask = torch.ones_like(ids) if mask is None else mask
        self.audio = ((ids == located.audio_token_id) & self.mask.bool()).cpu()
        silent = (~self.audio.any(dim=1)).nonzero().flatten().tolist()
        if silent:
            raise NoAudioError(
                f"prompt {silent[0]} of batch {number} has no audio tokens "
                f"(id {located.audio_token_id}), so it has no attention to audio: give only "
                "prompts with audio, and give the processor their audio"
            )
        self.inputs = dict(inputs)
        # A prompt without two adjacent audio tokens is refused later, when it is read steered.
        adjacent = bool((self.audio[:, 1:] & self.audio[:, :-1]).any())
        self.can_share = bool(self.mask.all()) and (
            adjacent or not located.family.expands_single_tokens
        )

    @property
    def width(self) -> int:
        """Number of slots of each prompt, padding included."""
        return self.ids.shape[1]


class PromptReader:
    """Reads one batch of prompts under one setting after another.

    No setting changes anything before the last prompt token, and observed keys are never scaled, so
    the prompts are read once and each setting starts from that cache. Padded prompts are read again
    each time, because the padding may be on the right.

    Args:
        located: the model's parts.
        prompts: the batch.
        how: from :func:`generation`.
        settings: number of settings to come; for a single one nothing is shared.
    """

    def __init__(
        self, located: Located, prompts: PromptBatch, how: Generation, settings: int
    ) -> None:
        self._located = located
        self._config, ends = how
        self._speaking = Speaking(prompts.width, ends)
        self._kept = prompts.width - 1
        self._inputs: dict[str, Any] = prompts.inputs
        self._cache: Any = None
        if settings > 1 and prompts.can_share and not forgets(located.listener):
            with torch.inference_mode():
                self._cache = prefill(located, prompts.inputs)
            self._inputs = {
                "input_ids": prompts.ids,
                "attention_mask": prompts.mask,
                "past_key_values": self._cache,
            }

    def masses(self, setting: NamedSetting, kinds: Tensor) -> tuple[Floats, Floats, Floats]:
        """Read the prompts under ``setting`` and return their attention by kind of token.

        Arguments, result and errors as for :class:`BatchMasses` and :meth:`read`.
        """
        observer = BatchMasses(kinds, self._located.depth, self._speaking)
        self.read(setting, observer)
        return observer.result()

    def read(self, setting: NamedSetting, observer: Observer) -> None:
        """Read the prompts under ``setting`` and generate as configured.

        Raises:
            AlreadyAttachedError: the model is steered already.
            SettingsError: a layer or head that the model does not have.
        """
        located = self._located
        self._speaking.samples = None
        rules = [Rule(((),)) if setting.method is None else setting.method.rule()]
        listener: Any = located.listener
        with (
            attachment_by_rule(located, rules, observer=observer),
            torch.inference_mode(),
        ):
            listener.generate(
                **self._inputs,
                generation_config=self._config,
                stopping_criteria=StoppingCriteriaList([self._speaking]),
            )
            if self._cache is not None:
                self._cache.crop(self._kept - self._cache.get_seq_length())


def generation(located: Located, tokenizer: Any, new_tokens: int) -> Generation:
    """Return the config for a greedy ``generate``, and the ids of tokens that end an answer.

    Args:
        located: the model's parts.
        tokenizer: None if the model's own config says how an answer ends.
        new_tokens: number of generated tokens that are read as queries, in addition to the prompt's
            last token. One more is generated, because the last one is never read.

    Raises:
        SettingsError: ``new_tokens`` is not a whole number from 0 on.
    """
    if not isinstance(new_tokens, int) or isinstance(new_tokens, bool) or new_tokens < 0:
        raise SettingsError(f"new_tokens must be a whole number from 0 on; got {new_tokens!r}")
    unknown = SimpleNamespace(eos_token_id=None, pad_token_id=None)
    config = greedy(located.listener, tokenizer or unknown, new_tokens + 1)
    config.update(use_cache=True, cache_implementation=None, return_dict_in_generate=False)
    ends = config.eos_token_id
    listed: Sequence[int] = ends if isinstance(ends, (list, tuple)) else [ends]
    return config, frozenset(token for token in listed if token is not None)


def check_settings(located: Located, settings: Sequence[NamedSetting]) -> None:
    """Check that settings can be profiled.

    Raises:
        SettingsError: a setting has a layer or head that the model lacks, rows other than the last,
            tokens other than audio, or more than attention to change.
    """
    for setting in settings:
        if setting.method is None:
            continue
        rule = setting.method.rule()
        if not rule.rows.is_last:
            raise SettingsError(
                f"a profile shows the last prompt token's attention; {setting.name} changes "
                "other rows: leave rows out"
            )
        if rule.tokens != "audio":
            raise SettingsError(
                f"a profile shows attention to audio; {setting.name} changes that to other "
                f'tokens (tokens="{rule.tokens}"): leave tokens out'
            )
        if rule.combine is not None or rule.look is not None:
            raise SettingsError(
                f"a profile shows where one view of the prompt looks; {setting.name} compares "
                f"several, or looks first: profile a method that only changes attention, not "
                f"{setting.method.name}"
            )
        key_gains([rule], located)


def _described(inputs: object) -> str:
    if isinstance(inputs, Mapping):
        return f"a dict of {', '.join(map(str, inputs)) or 'nothing'}"
    return type(inputs).__name__
