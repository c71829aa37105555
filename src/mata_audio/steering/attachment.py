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
from mata_audio.notation.tokens import never_seen
from mata_audio.steering.backends import rerouted_config
from mata_audio.steering.layer import SteeredLayer
from mata_audio.steering.observation import Observer
from mata_audio.steering.receipt import Receipt
from mata_audio.steering.tracker import PassTracker

_attached: WeakSet[nn.Module] = WeakSet()
_lock = threading.Lock()


class Attachment:
    """The intervention on one model, from construction until :meth:`detach`.

    It may be the context of a ``with`` block, which detaches it.

    Args:
        located: the model's parts.
        gains: one for each layer, sample and head, shape ``(layers, batch or 1, heads)``. A batch
            that is a multiple repeats each sample's gains (beams). With ``requires_grad`` the
            model's output is differentiable in them.
        formula: key of :data:`mata_audio.steering.formulas.SCORE_CHANGES`.
        prompt_length: see :meth:`mata_audio.MATA.__call__`.
        observer: shown the attention of the active rows in every decoder layer, steered or not;
            nothing that the model computes is changed by it.
        prompt_rows: which rows of a prompt are active.
        audio_mask: see :meth:`mata_audio.MATA.__call__`.
        tokens: which keys are changed, as :func:`~mata_audio.notation.tokens.read_tokens` gives it.

    Raises:
        AlreadyAttachedError: the model is steered already.
        PromptLengthError: ``prompt_length`` is impossible.
        SettingsError: the gains do not fit the model, or it has no tokens of a kind.
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
            if self._device.type != "meta":  # where accelerate keeps what it loads layer by layer
                gains = gains.to(self._device)
            steered = gains.flatten(1).any(dim=1).nonzero().flatten().tolist()
            check_attending(steered, located.attending)
        self._steered = tuple(steered)
        self._layers = [
            SteeredLayer(located.attention(i), i, gains, formula, observer)
            for i in (steered if observer is None else located.attending)
        ]
        self._parameters = tuple(inspect.signature(located.listener.forward).parameters)
        told = located.audio_mask if audio_mask is None else _told(audio_mask)
        self._tokens = tokens
        ids = located.ids_of(tokens) if told is None else ()
        self._tracker = PassTracker(ids, prompt_length, prompt_rows, told)
        self._forward_passes = 0
        self._active_rows = 0
        # The generate() calls of one model take turns: each has its own prompt.
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
        return Receipt(
            forward_passes=self._forward_passes,
            active_rows=self._active_rows,
            layers=self._steered,
            depth=self._located.depth,
            audio_tokens=tuple(n for prompt in self._tracker.audio_tokens for n in prompt),
            negative_share=self._tracker.negatives.value,
            tokens=self._tokens,
        )

    @property
    def negative_shares(self) -> list[float | None]:
        """For each row of ``gains``, the share of its raw audio scores below zero, so far.

        Counted where the gain is not 0, in passes over as many samples as ``gains`` has; None where
        there were none.
        """
        return self._tracker.negatives.by_sample(self._gain_samples)

    def adopt(self, cache: Cache, ids: Tensor, mask: Tensor | None = None) -> None:
        """Say which prompt a cache belongs to that was filled while the model was not steered.

        Forward passes with this cache then continue that prompt: its last token, and an answer.

        Args:
            cache: holds the keys of some first tokens of the prompt, without the intervention.
            ids: the whole prompt, also what is not in the cache yet, shape ``(batch, tokens)``.
            mask: its attention mask, same shape; None where nothing is padding.

        Raises:
            SettingsError: other rows than the last prompt token are changed.
        """
        self._tracker.adopt(cache, ids, mask)

    def detach(self) -> None:
        """Take the intervention off: the model is exactly as before. Doing it twice is harmless."""
        self._undo.close()

    def check(self, on_no_audio: str = "raise") -> None:
        """Raise when the model ran and nothing was changed.

        Raises:
            NoAudioError: none of the chosen tokens was seen, and ``on_no_audio`` is ``"raise"``.
            PromptLengthError: audio was seen, but ``prompt_length`` lies beyond every sequence.
        """
        heard = any(any(prompt) for prompt in self._tracker.audio_tokens)
        if heard and self._steered and not self._active_rows:
            raise PromptLengthError(
                "no query row was active: prompt_length is larger than every sequence, or none of "
                "the chosen rows was read"
            )
        if self._forward_passes and not heard and on_no_audio == "raise":
            raise never_seen(self._tokens, self._tracker.token_ids, self._forward_passes)

    def _attach(self, undo: ExitStack) -> None:
        """Change the model, noting in ``undo`` how to take each change back."""
        listener = self._located.listener
        with _lock:
            if listener in _attached:
                raise AlreadyAttachedError(
                    f"this {type(listener).__name__} is steered already: leave the `with` block "
                    "or call .detach() on the handle first"
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
        # A decoding step that generate() compiled earlier belongs to the unsteered model, and one
        # that it compiles from now on to the steered one: neither may be used for the other.
        for name in ("generate", "_compiled_call", "_last_compile_config"):
            undo.callback(_put_back, listener, name, vars(listener).pop(name, None))
        listener.generate = self._wrapped(generate)

    @torch.compiler.disable
    def _before(self, listener: nn.Module, args: Any, kwargs: dict[str, Any]) -> None:
        """Work out the active rows of the forward pass that is about to run."""
        given = dict(zip(self._parameters, args, strict=False)) | kwargs
        ids, mask = given.get("input_ids"), given.get("attention_mask")
        batch, queries = (given["inputs_embeds"] if ids is None else ids).shape[:2]
        if batch % self._gain_samples:
            raise SettingsError(
                f"gains for {self._gain_samples} samples do not fit a batch of {batch}"
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

        Only here is it known where the prompt ends: forward passes alone look the same for prefill
        in chunks, for speculative decoding and for generation without a cache.
        """

        @functools.wraps(generate)
        def steered_generate(*args: Any, **kwargs: Any) -> Any:
            ids = kwargs.get("input_ids", args[0] if args else kwargs.get("inputs"))
            self._leave_uncompiled(kwargs)
            with self._turn:
                outermost = self._tracker.start_generation(
                    ids,
                    self._attention_mask(ids, kwargs),
                    kwargs.get("past_key_values"),
                )
                try:
                    return generate(*args, **kwargs)
                finally:
                    if outermost:
                        self._tracker.end_generation()

        return steered_generate

    def _leave_uncompiled(self, kwargs: dict[str, Any]) -> None:
        """Keep generate() from compiling by itself, which it does for static caches on a GPU.

        Steered, that is not known to be right there; a compile_config of the user's own is obeyed.
        """
        config = kwargs.get("generation_config") or self._located.listener.generation_config
        asked_for = kwargs.get("compile_config") or getattr(config, "compile_config", None)
        if self._device.type != "cpu" and asked_for is None:
            kwargs.setdefault("disable_compile", True)

    def _attention_mask(self, ids: Tensor | None, kwargs: dict[str, Any]) -> Tensor | None:
        """Return the mask that ``generate`` will use: the given one, or its guess from padding."""
        mask = kwargs.get("attention_mask")
        if mask is not None or ids is None:
            return mask
        config: Any = kwargs.get("generation_config") or self._located.listener.generation_config
        pad = kwargs.get("pad_token_id", config.pad_token_id)
        eos = kwargs.get("eos_token_id", config.eos_token_id)
        if pad is None or pad in (eos if isinstance(eos, (list, tuple)) else (eos,)):
            return None
        return ids != pad

    def _refuse_legacy_prompt(self, audio: Tensor, given: dict[str, Any]) -> None:
        if not self._located.family.expands_single_tokens or given.get("input_features") is None:
            return
        if audio.any() and not (audio[:, 1:] & audio[:, :-1]).any():
            raise LegacyAudioTokenError(
                "no two audio tokens of the prompt are adjacent, so the model would insert the "
                "audio itself and move every position. Give text and audio to the processor in one "
                "call, processor(text=..., audio=..., return_tensors='pt'), and use clips that are "
                "long enough for two audio tokens"
            )


def _told(audio_mask: Tensor) -> Callable[[], Tensor]:
    if not isinstance(audio_mask, Tensor) or audio_mask.dim() != 2:
        raise SettingsTypeError(
            "audio_mask must be a bool tensor of shape (batch, tokens), True at audio tokens; got "
            f"{tuple(audio_mask.shape) if isinstance(audio_mask, Tensor) else audio_mask!r}"
        )
    return lambda: audio_mask


def _put_back(owner: nn.Module, name: str, value: Any) -> None:
    """Give ``owner`` back its own attribute; None stands for not having one."""
    vars(owner).pop(name, None)
    if value is not None:
        vars(owner)[name] = value
