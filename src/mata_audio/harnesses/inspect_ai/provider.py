"""The provider ``mata/...`` of inspect_ai: a model that hears audio, steered or not."""

from __future__ import annotations

import json
import threading
import time
from contextlib import nullcontext
from typing import Any

import anyio.to_thread
import torch
from inspect_ai.model import (
    ChatCompletionChoice,
    ChatMessage,
    ChatMessageAssistant,
    GenerateConfig,
    Logprob,
    Logprobs,
    ModelAPI,
    ModelOutput,
    ModelUsage,
    TopLogprob,
)
from inspect_ai.tool import ToolChoice, ToolInfo
from torch import Tensor
from transformers import StoppingCriteriaList

from mata_audio.errors import SettingsError
from mata_audio.evaluation.running.prepare import cut_masked
from mata_audio.families import locate
from mata_audio.harnesses.arguments import read_arguments
from mata_audio.harnesses.inspect_ai.generation import (
    Generation,
    StopTexts,
    check_config,
    generation_of,
)
from mata_audio.harnesses.inspect_ai.messages import openai_messages
from mata_audio.harnesses.loading import load_checked
from mata_audio.models.loading import Loaded, device_named
from mata_audio.models.placing import placed
from mata_audio.models.prompter import Prompter
from mata_audio.serving.checking import check_on
from mata_audio.serving.conversation import conversation
from mata_audio.settings.account import account

MAX_TOKENS = 2048
"""Longest answer without ``max_tokens``; the same as of inspect_ai's own provider of models."""


class MataAPI(ModelAPI):
    """Answers one conversation after another; greedily, unless a temperature asks for sampling.

    The model is loaded at the first conversation: inspect_ai also makes providers to look up names.

    Args:
        model_name: "tiny", a local folder or a hub id.
        base_url: refused, since nothing is asked elsewhere.
        api_key: not used.
        config: of the model; each call brings its own.
        model_args: read by :func:`mata_audio.harnesses.arguments.read_arguments`.

    Raises:
        SettingsError: an argument, the setting or an option is wrong.
        SettingsTypeError: a type that is not allowed.
    """

    def __init__(
        self,
        model_name: str,
        base_url: str | None = None,
        api_key: str | None = None,
        config: GenerateConfig = GenerateConfig(),  # noqa: B008  # as in the base class
        **model_args: Any,
    ) -> None:
        arguments = read_arguments(model_args)
        if base_url is not None:
            raise SettingsError("the provider mata asks no server: leave out the base URL")
        check_config(config)
        self.method = arguments.method
        self._arguments = arguments
        self._model: Loaded | None = None
        self._loading = threading.Lock()
        self._lock = threading.Lock()  # tokenizers and steered models take one thread at a time
        super().__init__(model_name, self._cached_as(), api_key, [], config)

    def _cached_as(self) -> str:
        """Return what tells this model's answers from those under other settings.

        inspect_ai's cache knows the name and the base URL of a model, but not its arguments.
        """
        given = self._arguments
        own = {
            **given.loading,
            "setting": None if self.method is None else self.method.as_data(),
            "device": device_named(given.loading.get("device", "auto")).type,
            "cut_long_audio": given.cut_long_audio,
        }
        return "mata:" + json.dumps(own, sort_keys=True)

    @property
    def prompter(self) -> Prompter:
        """Writes the model's prompts; errors as for :attr:`loaded`."""
        return Prompter.of(self.loaded)

    @property
    def loaded(self) -> Loaded:
        """The model.

        Raises:
            MataError: it cannot be loaded, or the setting does not fit it; its class says which.
        """
        with self._loading:
            if self._model is None:
                self._model = load_checked(self.model_name, self._arguments, check_on)
            return self._model

    async def generate(
        self,
        input: list[ChatMessage],
        tools: list[ToolInfo],
        tool_choice: ToolChoice,
        config: GenerateConfig,
    ) -> ModelOutput:
        """Answer a conversation.

        Raises:
            SettingsError: it asks for something that would be ignored: tools, pictures, options.
            AudioError: audio cannot be read, or is too short or too long for the model.
            NoAudioError: the model is steered, and there is no audio.
        """
        del tool_choice
        if tools:
            raise SettingsError("the provider mata has no tools: leave them out")
        check_config(config)
        messages = openai_messages(input)
        return await anyio.to_thread.run_sync(self._answer, messages, config)

    def max_tokens(self) -> int:
        """Return the longest answer of calls that say none."""
        return MAX_TOKENS

    def max_connections(self) -> int:
        """Return how many conversations may be under way: one is answered, others are read."""
        return 4

    def connection_key(self) -> str:
        """Return what limits connections: each model has its own."""
        return f"{self.model_name} {self.base_url}"

    def close(self) -> None:
        """Let go of the model."""
        self._model = None

    def _answer(self, messages: list[dict[str, Any]], config: GenerateConfig) -> ModelOutput:
        heard = conversation(messages, self.prompter, cut=self._arguments.cut_long_audio)
        parts = [part for message in heard for part in message["content"]]
        rate = self.prompter.limits.sampling_rate
        seconds = [len(part["audio"]) / rate for part in parts if part["type"] == "audio"]
        with self._lock, torch.inference_mode():
            start = time.monotonic()
            made, prompt, facts, generation = self._generate(heard, config)
            taken = time.monotonic() - start
        tokens = made.sequences[0, prompt:]
        text, reason = self._text(tokens, generation)
        message = ChatMessageAssistant(content=text, model=self.model_name, source="generate")
        choice = ChatCompletionChoice(
            message=message,
            stop_reason=reason,
            logprobs=self._logprobs(tokens, made.logits, generation.logprobs),
        )
        new = len(tokens)
        return ModelOutput(
            model=self.model_name,
            choices=[choice],
            usage=ModelUsage(input_tokens=prompt, output_tokens=new, total_tokens=prompt + new),
            time=taken,
            metadata={"mata": {**facts, "seconds_heard": seconds}},
        )

    def _generate(
        self, heard: list[dict[str, Any]], config: GenerateConfig
    ) -> tuple[Any, int, dict[str, Any], Generation]:
        """Return what ``generate`` returned, the prompt's length, the account, and how."""
        model, tokenizer = self.loaded.model, self.loaded.processor.tokenizer
        listener: Any = locate(model).listener
        inputs = self.prompter.conversation(heard)
        if self.prompter.hearing.drops_masked:
            inputs = cut_masked(inputs)
        generation = generation_of(config, listener, tokenizer, MAX_TOKENS)
        prompt = inputs["input_ids"].shape[1]
        ends = [StopTexts(tokenizer, prompt, generation.stops)] if generation.stops else []
        steered = nullcontext() if self.method is None else self.method(model, tokenizer=tokenizer)
        seeded = generation.seed is not None and generation.config.do_sample
        with torch.random.fork_rng(enabled=seeded), steered as applied:
            if seeded:
                torch.manual_seed(generation.seed or 0)
            made = listener.generate(
                **placed([inputs], listener),
                generation_config=generation.config,
                stopping_criteria=StoppingCriteriaList(ends),
            )
        facts = account(self.method, None if applied is None else applied.receipt)
        return made, prompt, facts, generation

    def _text(self, tokens: Tensor, generation: Generation) -> tuple[str, Any]:
        """Return the answer up to a stop text, and why it ended."""
        text = self.loaded.processor.tokenizer.decode(tokens, skip_special_tokens=True)
        places = [text.find(stop) for stop in generation.stops if stop in text]
        if places:
            return text[: min(places)], "stop"
        ends = generation.config.eos_token_id
        ended = len(tokens) > 0 and int(tokens[-1]) in (ends if isinstance(ends, list) else [ends])
        return text, "stop" if ended else "max_tokens"

    def _logprobs(self, tokens: Tensor, logits: Any, most: int | None) -> Logprobs | None:
        """Return the log probabilities of the new tokens, before penalties and temperature."""
        if most is None:
            return None
        found = []
        for token, scores in zip(tokens, logits, strict=True):
            log = torch.log_softmax(scores[0].float(), dim=-1)
            best = torch.topk(log, most)
            found.append(
                Logprob(
                    **self._told(int(token), float(log[token])),
                    top_logprobs=[
                        TopLogprob(**self._told(int(own), float(value)))
                        for own, value in zip(best.indices, best.values, strict=True)
                    ],
                )
            )
        return Logprobs(content=found)

    def _told(self, token: int, logprob: float) -> dict[str, Any]:
        text = self.loaded.processor.tokenizer.decode([token])
        return {"token": text, "logprob": logprob, "bytes": list(text.encode())}
