"""What an engine was started with: its setting, and whether it can be steered exactly."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mata_audio.errors import SettingsError, UnsupportedModelError
from mata_audio.families import Located, locate
from mata_audio.methods import MATA, Method
from mata_audio.models.finding import find_model, skeleton
from mata_audio.serving.request import FIELD, method_of
from mata_audio.settings.from_words import fields_of
from mata_audio.steering.by_rule import key_gains, key_kinds
from mata_audio.steering.prompt_finder import PromptFinder
from mata_audio.steering.rule import Rule

if TYPE_CHECKING:
    from vllm.config import ModelConfig, VllmConfig

VARIABLE = "MATA_SETTING"
"""The environment variable that steers an engine."""

OFF = "off"
"""A setting that steers only requests that bring their own."""

_PLAIN = ("auto", "float16", "bfloat16", "float32")
"""Types of a cache that is not quantized."""

BACKENDS = ("CPU_ATTN", "FLASH_ATTN", "TRITON_ATTN", "FLEX_ATTENTION")
"""Attention backends whose cache can be read."""


@dataclass(frozen=True)
class SteeredEngine:
    """An engine that steers.

    Args:
        default: how requests are answered that bring no setting; None for unsteered.
        located: the model's parts, without weights.
        tokenizer: the model's, for methods that change text or special tokens.
    """

    default: Method | None
    located: Located
    tokenizer: Any

    def finder(self, rule: Rule) -> PromptFinder:
        """Return what finds the audio, the active rows and other keys of a prompt under a rule.

        Raises:
            SettingsError: the model lacks a layer, head or kind of token that the rule changes, or
                the rule needs more than one look at a prompt.
        """
        check_rule(rule)
        parts = key_gains([rule], self.located)
        kinds = key_kinds(
            [part.keys for part in parts], rule.tokens, self.located, self.tokenizer, None
        )
        return PromptFinder(self.located.ids_of(rule.tokens), None, rule.rows, None, kinds)


def check_rule(rule: Rule) -> None:
    """Check that a rule is one change of attention, in one view.

    Raises:
        SettingsError: it compares views or prompts, or looks first.
    """
    if rule.combine or rule.look or rule.others or rule.share_of or len(rule.views) > 1:
        raise SettingsError(
            "under vLLM a method may change attention, as mata, mass and value do; one that "
            "compares answers, or looks at them first, needs Transformers"
        )


def setting_words(additional: Any) -> object:
    """Return what an engine was told to do: the variable's words, or ``mata`` of its config.

    None if neither is there.

    Args:
        additional: vLLM's ``additional_config``.

    Raises:
        SettingsError: both are there.
    """
    words = os.environ.get(VARIABLE)
    given = additional.get(FIELD) if isinstance(additional, dict) else None
    if words and given is not None:
        raise SettingsError(
            f"{VARIABLE} and --additional-config both have a setting: leave out one of them"
        )
    return words or given


def method_given(given: object, default: Method, origin: str) -> Method | None:
    """Return the method of a setting; None for the unmodified model.

    Args:
        given: fields as for :func:`mata_audio.serving.request.method_of`, or the same in words,
            such as ``"alpha=0.2 layers=10-20"`` or ``"off"``; None for the default.
        default: its fields hold where none are given.
        origin: where it comes from, for messages.

    Raises:
        SettingsError: an unknown method or field, or a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    return method_of(fields_of(given, origin) if isinstance(given, str) else given, default)


def default_method(words: object) -> Method | None:
    """Return the engine's method; None if only requests are steered that ask for it.

    Raises:
        SettingsError: the setting cannot be read, or cannot be used under vLLM.
        SettingsTypeError: a field has the wrong type.
    """
    found = method_given(words, MATA(), VARIABLE)
    if found is not None:
        check_rule(found.rule())
    return found


def check_method(method: Method | None, model: ModelConfig) -> None:
    """Check that a model has what a method changes; errors as well of :func:`located_model`.

    Raises:
        SettingsError: it lacks a layer, head or kind of token.
    """
    located = located_model(model)
    if method is not None:
        rule = method.rule()
        key_gains([rule], located)
        located.ids_of(rule.tokens)


def located_model(model: ModelConfig) -> Located:
    """Return the parts of a model as Transformers has them, without weights.

    Raises:
        UnsupportedModelError: the architecture is not known, or does not show where its audio is.
        ModelLoadError: the model's configuration cannot be read.
    """
    found = find_model(model.model, trust_remote_code=model.trust_remote_code)
    located = locate(skeleton(found))
    if located.audio_mask is not None:
        raise UnsupportedModelError(
            f"the prompts of {found.family.model_type} do not show where their audio is: it cannot "
            "be steered under vLLM"
        )
    return located


def check_config(config: VllmConfig) -> None:
    """Check that nothing is switched on with which steering would not be exact.

    Raises:
        UnsupportedModelError: something is.
    """
    parallel, cache, speculative = (
        config.parallel_config,
        config.cache_config,
        config.speculative_config,
    )
    graphs = config.compilation_config.cudagraph_mode
    contexts = (parallel.decode_context_parallel_size, parallel.prefill_context_parallel_size)
    refused = {
        "context parallelism": max(contexts) > 1,
        "microbatches": parallel.use_ubatching,
        f"a cache of {cache.cache_dtype}": cache.cache_dtype not in _PLAIN,
        "fast prefill of shared caches": cache.kv_sharing_fast_prefill,
        "caches from other engines": config.kv_transfer_config is not None,
        f"full CUDA graphs ({graphs})": graphs is not None and graphs.has_full_cudagraphs(),
        "speculation other than n-gram": speculative is not None and speculative.method != "ngram",
    }
    for what, found in refused.items():
        if found:
            raise UnsupportedModelError(
                f"an engine with {what} cannot be steered exactly: switch it off, or start "
                f"without {VARIABLE}"
            )
