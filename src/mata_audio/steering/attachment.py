"""Attaching the intervention to one model, and taking it off again without a trace."""

from __future__ import annotations

import functools
import inspect
import threading
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from typing import Any, Self
from weakref import WeakSet

import torch
from torch import Tensor, nn
from transformers.cache_utils import Cache

from mata_audio.errors import (
    AlreadyAttachedError,
    LegacyAudioTokenError,
    PromptLengthError,
    SettingsError,
    SettingsTypeError,
)
from mata_audio.families import Located
from mata_audio.notation.layers import check_attending
from mata_audio.notation.rows import LAST, PromptRows
from mata_audio.notation.tokens import no_audio_error
from mata_audio.steering.backends import rerouted_config
from mata_audio.steering.layer import SteeredLayer, refuse_batching
from mata_audio.steering.observation import Observer
from mata_audio.steering.receipt import Receipt
from mata_audio.steering.tracker import PassTracker

_attached: WeakSet[nn.Module] = WeakSet()
_lock = threading.Lock()


class Attachment:
    """The intervention on one model, from construction until :meth:`detach`.

    As the context of a ``with`` block, it detaches itself at the end.

    Args:
        located: the model's parts.
        gains: one for each layer, sample and head, shape ``(layers, batch or 1, heads)``. In a
            larger batch (beams) each sample's gains are repeated; its size must be a multiple.
            With ``requires_grad`` the model's output is differentiable in them.
        formula: key of :data:`mata_audio.steering.formulas.SCORE_CHANGES`.
        prompt_length: see :meth:`mata_audio.MATA.__call__`.
        observer: shown the attention of the active rows in every decoder layer, steered or not;
            it changes nothing that the model computes.
        prompt_rows: which rows of a prompt are active.
        audio_mask: see :meth:`mata_audio.MATA.__call__`.
        tokens: which keys are changed, as :func:`~mata_audio.notation.tokens.read_tokens` returns
            it.

    Raises:
        AlreadyAttachedError: the model is steered already.
        PromptLengthError: ``prompt_length`` is impossible.
        SettingsError: the gains do not fit the model, or it has no tokens of a named kind.
        SettingsTypeError: ``audio_mask`` is not a mask.
    """

    def __init__(
        self,
        located: Located,
        gains: Tensor,
        formula: str,
        prompt_length: int | Sequence[int] | None = None,
        observer: Observer | None = None,
        prompt_rows: PromptRows = LAST,
        audio_mask: Tensor | None = None,
        tokens: str = "audio",
    ) -> None:
        if gains.dim() != 3 or gains.shape[::2] != (located.depth, located.heads):
            raise SettingsError(
                f"gains must have the shape (layers, batch or 1, heads) = ({located.depth}, ..., "
                f"{located.heads}) for this model; got {tuple(gains.shape)}"
            )
        self._located = located
        self._gain_samples = gains.shape[1]
        self._device = next(located.first_attention.parameters()).device
        steered = list(located.attending)
        if not gains.requires_grad:
            if self._device.type != "meta":  # there accelerate loads layer by layer
                gains = gains.to(self._device)
            steered = gains.flatten(1).any(dim=1).nonzero().flatten().tolist()
            check_attending(steered, located.attending)
        self._steered = tuple(steered)
        self._layers = [
            SteeredLayer(located.attention(i), i, gains, formula, observer)
            for i in (steered if observer is None else located.attending)
        ]
        self._parameters = tuple(inspect.signature(located.listener.forward).parameters)
        find_audio = located.audio_mask if audio_mask is None else _always(audio_mask)
        self._tokens = tokens
        ids = located.ids_of(tokens) if find_audio is None else ()
        self._tracker = PassTracker(ids, prompt_length, prompt_rows, find_audio)
        self._forward_passes = 0
        self._active_rows = 0
        # Calls of generate() from several threads take turns: each has a prompt to follow.
        self._turn = threading.RLock()
        with ExitStack() as undo:
            self._attach(undo)
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    @property
    def receipt(self) -> Receipt:
        """What has happened so far."""
        negative_scores, audio_scores = self._tracker.negatives.counts
        return Receipt(
            forward_passes=self._forward_passes,
            active_rows=self._active_rows,
            layers=self._steered,
            depth=self._located.depth,
            audio_tokens=tuple(n for prompt in self._tracker.audio_tokens for n in prompt),
            negative_scores=negative_scores,
            audio_scores=audio_scores,
            tokens=self._tokens,
        )

    @property
    def negative_counts(self) -> list[tuple[int, int]]:
        """For each row of ``gains``, its raw audio scores below zero and all of them, so far.

        Counted where the gain is not 0, in passes over as many samples as ``gains`` has.
        """
        return self._tracker.negatives.by_sample(self._gain_samples)

    def adopt(self, cache: Cache, ids: Tensor, mask: Tensor | None = None) -> None:
        """Tell which prompt a cache holds that was filled while the model was not steered.

        Forward passes with this cache then continue that prompt: its last token, and an answer.

        Args:
            cache: holds the keys of the prompt's first tokens, computed without the intervention.
            ids: the whole prompt, with what is not in the cache yet, shape ``(batch, tokens)``.
            mask: its attention mask, same shape; None if there is no padding.

        Raises:
            SettingsError: the setting changes other prompt rows than the last.
        """
        self._tracker.adopt(cache, ids, mask)

    def detach(self) -> None:
        """Take the intervention off: the model is exactly as before. A second call does nothing."""
        self._undo.close()

    def check(self, on_no_audio: str = "raise") -> None:
        """Raise if the model ran and nothing was changed.

        Raises:
            NoAudioError: none of the chosen tokens was seen, and ``on_no_audio`` is ``"raise"``.
            PromptLengthError: audio was seen, but ``prompt_length`` lies beyond a sequence, or no
                row was active.
        """
        missing = next(iter(self._tracker.unfinished.values()), None)
        if missing is not None:
            raise PromptLengthError(
                f"{missing}, so the prompt's last row was never steered: read the whole prompt "
                "inside the block, or give its number of tokens, padding not counted"
            )
        audio_seen = any(any(prompt) for prompt in self._tracker.audio_tokens)
        if audio_seen and self._steered and not self._active_rows:
            raise PromptLengthError(
                "no query row was active, so nothing was changed: let the model read the whole "
                "prompt inside the block"
            )
        if self._forward_passes and not audio_seen and on_no_audio == "raise":
            raise no_audio_error(self._tokens, self._tracker.token_ids, self._forward_passes)

    def _attach(self, undo: ExitStack) -> None:
        """Change the model, and note in ``undo`` how to take each change back."""
        listener: Any = self._located.listener
        with _lock:
            if listener in _attached:
                raise AlreadyAttachedError(
                    f"this {type(listener).__name__} is steered already: first leave its `with` "
                    "block, or call .detach() on what attach() returned"
                )
            _attached.add(listener)
        undo.callback(_attached.discard, listener)
        for layer in self._layers:
            module = self._located.attention(layer.index)
            undo.callback(setattr, module, "config", layer.config)
            module.config = rerouted_config(layer.config, layer)
        before = listener.register_forward_pre_hook(self._before, with_kwargs=True)
        undo.callback(before.remove)
        after = listener.register_forward_hook(self._after, always_call=True)
        undo.callback(after.remove)
        generate = listener.generate
        # A decoding step that generate() compiled before belongs to the unsteered model, and one
        # that it compiles from now on to the steered model: neither may serve the other.
        for name in ("generate", "generate_batch", "_compiled_call", "_last_compile_config"):
            undo.callback(_restore, listener, name, vars(listener).pop(name, None))
        listener.generate = self._wrapped(generate)
        listener.generate_batch = refuse_batching

    @torch.compiler.disable
    def _before(self, listener: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Work out the active rows of the forward pass that is about to run."""
        given = dict(zip(self._parameters, args, strict=False)) | kwargs
        ids, mask = given.get("input_ids"), given.get("attention_mask")
        slots = given.get("inputs_embeds") if ids is None else ids
        if slots is None:
            raise PromptLengthError(
                "a steered model needs its prompt: call it with the processor's whole output, "
                "model(**inputs), or with inputs_embeds and an audio_mask, "
                "mata(model, audio_mask=...)"
            )
        batch, queries = slots.shape[:2]
        if batch % self._gain_samples:
            raise SettingsError(
                f"gains for {self._gain_samples} samples do not fit a batch of {batch}: the batch "
                f"must have {self._gain_samples} rows or a multiple"
            )
        this_pass = self._tracker.next(ids, batch, queries, mask, given.get("past_key_values"))
        if this_pass.past == 0:
            self._refuse_legacy_prompt(this_pass.prompt.audio, given)
        self._forward_passes += 1
        if self._steered and this_pass.rows is not None:
            self._active_rows += this_pass.rows.count
        for layer in self._layers:
            layer.current_pass = this_pass

    @torch.compiler.disable
    def _after(self, listener: nn.Module, args: Any, output: Any) -> None:
        """Forget the pass, and tie the cache that it filled to its prompt."""
        for layer in self._layers:
            layer.current_pass = None
        self._tracker.negatives.settle()
        values = output if isinstance(output, tuple) else getattr(output, "values", tuple)()
        for value in values:
            if isinstance(value, Cache):
                self._tracker.remember(value)

    def _wrapped(self, generate: Any) -> Any:
        """Return ``generate`` with the prompt noted before it starts.

        Only ``generate`` knows where the prompt ends: a forward pass looks the same for prefill in
        chunks, speculative decoding and generation without a cache.
        """

        positional = tuple(inspect.signature(generate).parameters)

        @functools.wraps(generate)
        def steered_generate(*args: Any, **kwargs: Any) -> Any:
            given = {**dict(zip(positional, args, strict=False)), **kwargs}
            ids = given.get("input_ids", given.get("inputs"))
            self._leave_uncompiled(given, kwargs)
            with self._turn:
                outermost = self._tracker.start_generation(
                    ids,
                    self._attention_mask(ids, given),
                    given.get("past_key_values"),
                )
                try:
                    return generate(*args, **kwargs)
                finally:
                    if outermost:
                        self._tracker.end_generation()

        return steered_generate

    def _leave_uncompiled(self, given: dict[str, Any], kwargs: dict[str, Any]) -> None:
        """Keep generate() from compiling unasked, which it does for static caches on a GPU.

        Whether a steered model compiles correctly is unknown; a user's compile_config is kept.
        """
        config = given.get("generation_config") or self._located.listener.generation_config
        requested = given.get("compile_config") or getattr(config, "compile_config", None)
        if self._device.type != "cpu" and requested is None:
            kwargs.setdefault("disable_compile", True)

    def _attention_mask(self, ids: Tensor | None, given: dict[str, Any]) -> Tensor | None:
        """Return the mask that ``generate`` will use: the given one, or its guess from padding."""
        mask = given.get("attention_mask")
        if mask is not None or ids is None:
            return mask
        config: Any = given.get("generation_config") or self._located.listener.generation_config
        pad = given.get("pad_token_id", config.pad_token_id)
        eos = given.get("eos_token_id", config.eos_token_id)
        if pad is None or pad in (eos if isinstance(eos, (list, tuple)) else (eos,)):
            return None
        return ids != pad

    def _refuse_legacy_prompt(self, audio: Tensor, given: dict[str, Any]) -> None:
        if not self._located.family.expands_single_tokens or given.get("input_features") is None:
            return
        if audio.any() and not (audio[:, 1:] & audio[:, :-1]).any():
            raise LegacyAudioTokenError(
                "no two audio tokens of the prompt are adjacent, so the model would insert the "
                "audio itself and shift every position. Give text and audio to the processor in "
                "one call, processor(text=..., audio=..., return_tensors='pt'), and use clips that "
                "are long enough for two audio tokens"
            )


def _always(audio_mask: Tensor) -> Callable[[], Tensor]:
    """Return a function that returns ``audio_mask``, once that is known to be a mask."""
    if not isinstance(audio_mask, Tensor) or audio_mask.dim() != 2:
        raise SettingsTypeError(
            "audio_mask must be a bool tensor of shape (batch, tokens), True at audio tokens; got "
            f"{tuple(audio_mask.shape) if isinstance(audio_mask, Tensor) else audio_mask!r}"
        )
    return lambda: audio_mask


def _restore(owner: nn.Module, name: str, value: Any) -> None:
    """Restore an instance attribute of ``owner``; None if it had none."""
    vars(owner).pop(name, None)
    if value is not None:
        vars(owner)[name] = value
