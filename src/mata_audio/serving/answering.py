"""Transformers' chat handler, made to answer each request under its own setting."""

from __future__ import annotations

import json
from contextvars import ContextVar
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from fastapi.concurrency import run_in_threadpool
from transformers.cli.serving.chat_completion import ChatCompletionHandler
from transformers.cli.serving.utils import GenerateManager, GenerationState, Modality

from mata_audio.errors import SettingsError
from mata_audio.families import locate
from mata_audio.methods import Method
from mata_audio.models.loading import Loaded
from mata_audio.models.prompter import Prompter
from mata_audio.serving.checking import check_on
from mata_audio.serving.conversation import conversation
from mata_audio.serving.request import FIELD, check_fields, method_of
from mata_audio.settings.account import account
from mata_audio.steering.receipt import Receipt


@dataclass
class Asked:
    """What one request asks for, and what came of it.

    Args:
        method: None for the unmodified model.
        receipt: of the answer, once there is one.
    """

    method: Method | None
    receipt: Receipt | None = None

    def facts(self) -> dict[str, Any]:
        """Return what an answer says of it."""
        return account(self.method, self.receipt)


_asked: ContextVar[Asked] = ContextVar("asked")
"""The request that a task of the server answers."""


class Handler(ChatCompletionHandler):
    """Answers requests for chat completions.

    Args:
        loaded: the one model that is served.
        default: the setting of requests that name none.
    """

    _unused_fields: set[str] = set()  # noqa: RUF012  # as in the base class

    def __init__(self, loaded: Loaded, default: Method) -> None:
        super().__init__(_OneModel(loaded), _OneManager())
        self._loaded = loaded
        self._default = default
        self._prompter = Prompter.of(loaded)
        self._check(default)

    async def handle_request(self, body: dict[str, Any], request_id: str) -> Any:
        """Return the response to a request, streamed or whole.

        Raises:
            MataError: the request is wrong; its class and message say how.
        """
        check_fields(body)
        method = method_of(body.get(FIELD), self._default)
        if method is not None:
            self._check(method)
        read = partial(conversation, body.get("messages"), self._prompter)
        given = {**body, "messages": await run_in_threadpool(read)}
        given.pop(FIELD, None)
        _asked.set(Asked(method))
        return await super().handle_request(given, request_id)

    def _check(self, method: Method) -> None:
        check_on(locate(self._loaded.model), self._loaded.processor.tokenizer, method)

    @staticmethod
    def get_processor_inputs_from_messages(
        messages: list[dict[str, Any]], modality: Modality
    ) -> list[dict[str, Any]]:
        """Return the messages, which were read before."""
        del modality
        return messages

    def _build_generation_config(self, body: dict[str, Any], *args: Any, **kwargs: Any) -> Any:
        """Do as the base class does, but sample if a temperature asks for it."""
        try:
            config = super()._build_generation_config(body, *args, **kwargs)
            if body.get("temperature") is not None:
                config.do_sample = float(body["temperature"]) > 0
            config.validate()
        except (TypeError, ValueError) as error:
            raise SettingsError(f"the request cannot be answered: {error}") from error
        return config

    def _build_completion(self, *args: Any, **kwargs: Any) -> dict[str, Any]:
        return {**super()._build_completion(*args, **kwargs), FIELD: _asked.get().facts()}

    def _build_chunk_sse(self, *args: Any, **kwargs: Any) -> str:
        event: str = super()._build_chunk_sse(*args, **kwargs)
        if kwargs.get("finish_reason") is None:
            return event
        chunk = json.loads(event.removeprefix("data: "))
        return f"data: {json.dumps({**chunk, FIELD: _asked.get().facts()})}\n\n"


class _OneModel:
    """Stands in for Transformers' model manager, which loads whatever a request names."""

    def __init__(self, loaded: Loaded) -> None:
        self._loaded = loaded
        self.force_model = loaded.name

    def process_model_name(self, name: str) -> str:
        return name

    def load_model_and_processor(self, *_: Any, **__: Any) -> tuple[Any, Any]:
        return self._loaded.model, self._loaded.processor

    def get_model_modality(self, *_: Any, **__: Any) -> Modality:
        return Modality.MULTIMODAL


class _OneManager(GenerationState):
    """Answers all requests with one thread, one after another."""

    def __init__(self) -> None:
        super().__init__()
        self._manager = _SteeredManager()

    def get_manager(self, model_id: str, use_cb: bool = False) -> _SteeredManager:
        del model_id, use_cb
        return self._manager


class _SteeredManager(GenerateManager):
    def generate_streaming(self, model: Any, processor: Any, *args: Any, **kwargs: Any) -> Any:
        return super().generate_streaming(_Steered(model, processor), processor, *args, **kwargs)

    async def generate_non_streaming(
        self, model: Any, processor: Any, *args: Any, **kwargs: Any
    ) -> Any:
        steered = _Steered(model, processor)
        return await super().generate_non_streaming(steered, processor, *args, **kwargs)


class _Steered:
    """A model as one request sees it: steered while it generates."""

    def __init__(self, model: Any, processor: Any) -> None:
        self._model = model
        self._tokenizer = processor.tokenizer
        self._asked = _asked.get()  # generation runs in a thread of its own

    def __getattr__(self, name: str) -> Any:
        return getattr(self._model, name)

    def generate(self, *, streamer: Any = None, **given: Any) -> Any:
        """Generate, and note the receipt before the end of the answer is known."""
        for name, value in given.items():
            if isinstance(value, torch.Tensor) and value.is_floating_point():
                given[name] = value.to(self._model.dtype)
        if streamer is not None:
            given["streamer"] = _BeforeTheEnd(streamer)
        if self._asked.method is None:
            output = self._model.generate(**given)
        else:
            attachment = self._asked.method.attach(self._model, tokenizer=self._tokenizer)
            try:
                output = self._model.generate(**given)
            finally:
                attachment.detach()
            self._asked.receipt = attachment.receipt
        if streamer is not None:
            streamer.end()
        return output


class _BeforeTheEnd:
    """A streamer whose end is told later."""

    def __init__(self, streamer: Any) -> None:
        self.put = streamer.put

    def end(self) -> None:
        """Do nothing yet."""
