"""The calls of one steered model: its forward passes and its ``generate``."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable, Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any, NoReturn

import torch
from transformers.cache_utils import Cache

from mata_audio.errors import (
    LegacyAudioTokenError,
    PromptLengthError,
    SettingsError,
    StillRunningError,
)
from mata_audio.families import Located, put_row_state, row_state
from mata_audio.steering.backends import check_attention
from mata_audio.steering.checkpointing import can_checkpoint, running_again
from mata_audio.steering.forward_pass import ForwardPass
from mata_audio.steering.generate_call import GenerateCall
from mata_audio.steering.layer import SteeredLayer
from mata_audio.steering.other_prompt import OtherPrompt
from mata_audio.steering.prompt import Mask
from mata_audio.steering.reading import Reading
from mata_audio.steering.tracker import PassTracker
from mata_audio.steering.turns import Turns
from mata_audio.steering.views import Answering, LastRows


class SteeredCalls:
    """Works out the active rows of each call of a model, and lets its layers know them.

    Args:
        located: the model's parts.
        layers: its steered layers.
        tracker: follows its passes.
        turns: lets calls of several threads take turns.
        answering: how the logits of changed rows are made.
        others: second prompts that are answered beside, by name.
        samples: samples that the gains are for; a batch must be a multiple.
    """

    def __init__(
        self,
        located: Located,
        layers: Sequence[SteeredLayer],
        tracker: PassTracker,
        turns: Turns,
        answering: Answering,
        others: Mapping[str, OtherPrompt],
        samples: int,
    ) -> None:
        self.forward_passes = 0
        self.active_rows = 0
        self.wrapped: set[str] = set()
        """Methods of the listener that someone wrapped again, and that outlive the attachment."""
        self._located = located
        self._layers = layers
        self._one_of_each = tuple({id(layer.config): layer for layer in layers}.values())
        self._tracker = tracker
        self._turns = turns
        self._last_rows = None if answering.is_plain else LastRows(located, answering, others)
        self._samples = samples
        self._steers = any(layer.steers for layer in layers)
        self._checkpoints = can_checkpoint(located.listener)
        self._parameters = tuple(inspect.signature(located.listener.forward).parameters)

    def check_attention(self) -> None:
        """Check that the layers' own attention is known; it may have been changed since.

        Raises:
            UnsupportedModelError: it is not.
        """
        for layer in self._one_of_each:
            check_attention(self._located.attention(layer.index), layer.config)

    def forward(self, stock: Any) -> Any:
        """Return ``stock``, the listener's own, with the active rows worked out before it runs."""

        # Compilers see the model's own forward, not what surrounds it.
        @torch.compiler.disable(recursive=False)
        @functools.wraps(stock)
        def steered_forward(*args: Any, **kwargs: Any) -> Any:
            call = functools.partial(stock, *args, **kwargs)
            given = dict(zip(self._parameters, args, strict=False)) | kwargs
            return self._turns.take(
                functools.partial(self._run, call, stock, given),
                functools.partial(self._after_detaching, "forward", call),
            )

        return steered_forward

    @torch.compiler.disable(recursive=False)
    def _run(self, call: Callable[[], Any], stock: Any, given: dict[str, Any]) -> Any:
        """Run one forward pass."""
        this_pass, reading = self._begin(given)
        try:
            if self._last_rows is not None and this_pass.rows is not None:
                looks = self._last_rows.looks
                output = self._last_rows.run(
                    stock, given, this_pass, self._under, reading.by_generate
                )
                self.forward_passes += self._last_rows.looks - looks
            elif torch.is_grad_enabled():
                output = self._with_backward(call, this_pass)
            else:
                output = self._under(this_pass, call)
        finally:
            self._tracker.listening.end_pass()
        self._end(this_pass, reading, output)
        return output

    @torch.compiler.disable(recursive=False)
    def _under(self, this_pass: ForwardPass, call: Callable[[], Any]) -> Any:
        """Call what belongs to ``this_pass``; passes nest."""
        before = [layer.current_pass for layer in self._layers]
        try:
            for layer in self._layers:
                layer.current_pass = this_pass
            return call()
        finally:
            for layer, outer in zip(self._layers, before, strict=True):
                layer.current_pass = outer

    @torch.compiler.disable(recursive=False)
    def _with_backward(self, call: Callable[[], Any], this_pass: ForwardPass) -> Any:
        """Run one forward pass, of which layers may run again in the backward pass."""
        again = replace(this_pass, repeated=True)

        def repeat(layer: Callable[[], Any]) -> Any:
            return self._turns.take(functools.partial(self._under, again, layer), _refuse_backward)

        with running_again(self._checkpoints, repeat):
            return self._under(this_pass, call)

    @torch.compiler.disable
    def _begin(self, given: dict[str, Any]) -> tuple[ForwardPass, Reading]:
        """Work out the active rows of the forward pass that is about to run."""
        ids, mask = given.get("input_ids"), given.get("attention_mask")
        slots = given.get("inputs_embeds") if ids is None else ids
        if slots is None:
            raise PromptLengthError(
                "a steered model needs its prompt: call it with the processor's whole output, "
                "model(**inputs), or with inputs_embeds and an audio_mask, "
                "mata(model, audio_mask=...)"
            )
        batch, queries = slots.shape[:2]
        if batch % self._samples:
            raise SettingsError(
                f"gains for {self._samples} samples do not fit a batch of {batch}: the batch "
                f"must have {self._samples} rows or a multiple"
            )
        self.check_attention()
        this_pass, reading = self._tracker.next(
            ids, batch, queries, mask, given.get("past_key_values"), slots.device
        )
        if this_pass.past == 0:
            self._refuse_legacy_prompt(this_pass.prompt.audio, given)
        else:
            put_row_state(self._located, reading.row_state)
        self.forward_passes += 1
        if self._steers and this_pass.rows is not None:
            self.active_rows += this_pass.rows.count
        return this_pass, reading

    @torch.compiler.disable
    def _end(self, this_pass: ForwardPass, reading: Reading, output: Any) -> None:
        """Tie the cache that a pass filled to its prompt."""
        reading.row_state = row_state(self._located)
        values = output if isinstance(output, tuple) else getattr(output, "values", tuple)()
        for value in values:
            if isinstance(value, Cache):
                self._tracker.finished(this_pass, reading, value)

    def generate(self, stock: Any) -> Any:
        """Return ``stock``, the listener's own, with the prompt noted before it starts.

        Only ``generate`` knows where the prompt ends: a forward pass looks the same for prefill in
        chunks, speculative decoding and generation without a cache.
        """
        positional = tuple(inspect.signature(stock).parameters)

        @functools.wraps(stock)
        def steered_generate(*args: Any, **kwargs: Any) -> Any:
            given = {**dict(zip(positional, args, strict=False)), **kwargs}
            call = GenerateCall(given, self._located.listener.generation_config)

            def steered() -> Any:
                # Whether a steered model compiles correctly unasked, as for static caches on a GPU,
                # is unknown; a user's compile_config is kept.
                unasked = self._located.device.type != "cpu" and not call.compiles
                options = {"disable_compile": True, **kwargs} if unasked else kwargs
                with self._tracker.generation(call) as reading:
                    if reading is not None:
                        put_row_state(self._located, reading.row_state)
                    with nullcontext() if self._last_rows is None else self._last_rows.generation():
                        return stock(*args, **options)

            plain = functools.partial(stock, *args, **kwargs)
            return self._turns.take(
                steered, functools.partial(self._after_detaching, "generate", plain)
            )

        return steered_generate

    def _after_detaching(self, name: str, stock: Callable[[], Any]) -> Any:
        """Make a call that came after :meth:`detach`, if it came through someone's wrapper."""
        if name not in self.wrapped:
            raise StillRunningError(
                f"this call of {name}() started when the model was no longer steered, but "
                f"{name} was taken from the steered model: leave the block, or detach, after the "
                "calls of other threads (thread.join())"
            )
        return stock()

    def _refuse_legacy_prompt(self, audio: Mask, given: dict[str, Any]) -> None:
        if not self._located.family.expands_single_tokens or given.get("input_features") is None:
            return
        if audio.any() and not (audio[:, 1:] & audio[:, :-1]).any():
            raise LegacyAudioTokenError(
                "no two audio tokens of the prompt are adjacent, so the model would insert the "
                "audio itself and shift every position. Give text and audio to the processor in "
                "one call, processor(text=..., audio=..., return_tensors='pt'), and use clips that "
                "are long enough for two audio tokens"
            )


def _refuse_backward() -> NoReturn:
    raise StillRunningError(
        "the backward pass runs layers again (gradient checkpointing), but the model is no longer "
        "steered: the gradients would be wrong. Call backward() inside the block"
    )
