"""How an answer is to be generated: inspect_ai's configuration, heeded or refused."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from inspect_ai.model import GenerateConfig
from torch import Tensor
from transformers import GenerationConfig, StoppingCriteria

from mata_audio.errors import SettingsError
from mata_audio.models.one_prefill import greedy

_HEEDED = (
    "max_tokens",
    "temperature",
    "top_p",
    "top_k",
    "seed",
    "stop_seqs",
    "logprobs",
    "top_logprobs",
)

_CHANGES_NO_ANSWER = (
    "max_retries",
    "timeout",
    "attempt_timeout",
    "stream_idle_timeout",
    "max_connections",
    "adaptive_connections",
    "system_message",  # inspect_ai has put it into the messages
    "cache",  # inspect_ai keeps it
    "cache_prompt",
    "fail_on_refusal",
    "max_tool_output",
    "parallel_tool_calls",
    "internal_tools",
)

_NEUTRAL: Mapping[str, Any] = {
    "num_choices": 1,
    "best_of": 1,
    "frequency_penalty": 0,
    "presence_penalty": 0,
    "modalities": [],
    "batch": False,
    "logit_bias": {},
}
"""Values of other options that ask for what happens anyway."""


@dataclass(frozen=True)
class Generation:
    """How one answer is generated.

    Args:
        config: for ``generate``.
        seed: seed of PyTorch's generators, for sampling; None to go on with them.
        stops: texts that end the answer, and are not part of it.
        logprobs: number of most likely tokens to tell at each place; None for no probabilities.
    """

    config: GenerationConfig
    seed: int | None
    stops: tuple[str, ...]
    logprobs: int | None


class StopTexts(StoppingCriteria):
    """Ends an answer once its text has one of the stop texts, wherever its tokens begin and end.

    Args:
        tokenizer: of the model.
        prompt: number of prompt tokens.
        stops: the texts.
    """

    def __init__(self, tokenizer: Any, prompt: int, stops: Sequence[str]) -> None:
        self._tokenizer, self._prompt, self._stops = tokenizer, prompt, tuple(stops)

    def __call__(self, input_ids: Tensor, scores: Any, **kwargs: Any) -> Tensor:
        """Return for the one row whether it ends."""
        text = self._tokenizer.decode(input_ids[0, self._prompt :], skip_special_tokens=True)
        return torch.tensor([any(stop in text for stop in self._stops)], device=input_ids.device)


def check_config(config: GenerateConfig) -> None:
    """Check that a configuration asks for nothing that would be ignored.

    Raises:
        SettingsError: it does.
    """
    for name, value in config.model_dump(exclude_none=True).items():
        if name in _HEEDED or name in _CHANGES_NO_ANSWER or _NEUTRAL.get(name) == value:
            continue
        raise SettingsError(
            f"the provider mata does not support {name}={value!r}: leave it out. It heeds "
            f"{', '.join(_HEEDED)}"
        )
    temperature = config.temperature or 0
    if temperature < 0:
        raise SettingsError(f"temperature must be 0 or more; got {temperature}")
    for name in ("top_p", "top_k"):
        value = getattr(config, name)
        if value is not None and temperature == 0 and not (name == "top_p" and value == 1):
            raise SettingsError(
                f"{name}={value} asks for sampling, but answers are greedy without a temperature: "
                f"give one above 0, or leave {name} out"
            )
    if config.top_p is not None and not 0 < config.top_p <= 1:
        raise SettingsError(f"top_p must be above 0, and 1 at most; got {config.top_p}")
    if config.top_k is not None and config.top_k < 1:
        raise SettingsError(f"top_k must be 1 or more; got {config.top_k}")
    if config.max_tokens is not None and config.max_tokens < 1:
        raise SettingsError(f"max_tokens must be 1 or more; got {config.max_tokens}")
    if config.top_logprobs is not None and not config.logprobs:
        raise SettingsError("top_logprobs needs logprobs=true")


def generation_of(config: GenerateConfig, model: Any, tokenizer: Any, longest: int) -> Generation:
    """Return how to generate an answer: greedily, or by sampling if a temperature asks for it.

    Args:
        config: inspect_ai's, already checked.
        model: its generation config holds for what ``config`` leaves open.
        tokenizer: of the model.
        longest: longest answer in tokens, if ``config`` has none.
    """
    made = greedy(model, tokenizer, config.max_tokens or longest)
    made.update(return_dict_in_generate=True, output_logits=bool(config.logprobs))
    if config.temperature:
        own = model.generation_config
        made.update(
            do_sample=True,
            temperature=config.temperature,
            top_p=own.top_p if config.top_p is None else config.top_p,
            top_k=own.top_k if config.top_k is None else config.top_k,
        )
    return Generation(
        made,
        config.seed,
        tuple(own for own in config.stop_seqs or () if own),
        (config.top_logprobs or 0) if config.logprobs else None,
    )
