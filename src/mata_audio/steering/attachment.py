"""Attaching the intervention to one model, and taking it off again without a trace."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, NoReturn, Self

from torch import Tensor, nn
from transformers.cache_utils import Cache

from mata_audio.errors import (
    AlreadyAttachedError,
    PromptLengthError,
    SettingsError,
    SettingsTypeError,
    StillRunningError,
)
from mata_audio.families import Located, locate
from mata_audio.notation.layers import check_attending, format_indices
from mata_audio.notation.rows import LAST, PromptRows
from mata_audio.notation.tokens import no_audio_error
from mata_audio.shown.one_line import described, short
from mata_audio.steering.backends import reroute
from mata_audio.steering.calls import SteeredCalls
from mata_audio.steering.gain_tensor import KeyGains
from mata_audio.steering.key_kinds import KeyKinds
from mata_audio.steering.layer import SteeredLayer, refuse_batching, refuse_copies
from mata_audio.steering.layer_gains import layer_gains
from mata_audio.steering.listening import Listening
from mata_audio.steering.observation import Observer
from mata_audio.steering.other_prompt import OtherPrompt
from mata_audio.steering.prompt_finder import PromptFinder
from mata_audio.steering.receipt import Receipt
from mata_audio.steering.tracker import PassTracker
from mata_audio.steering.turns import Turns
from mata_audio.steering.views import Answering

_ATTACHMENT = "_mata_audio_attachment"
_lock = threading.Lock()


class Attachment:
    """The intervention on one model, from construction until :meth:`detach`.

    As the context of a ``with`` block, it detaches itself at the end.

    Args:
        located: the model's parts.
        changes: what is changed and how much; at least one, all for the same number of samples.
        prompt_length: see :meth:`mata_audio.MATA.__call__`.
        observer: shown the attention of the active rows in every decoder layer, steered or not;
            it changes nothing that the model computes.
        prompt_rows: which rows of a prompt are active.
        audio_mask: see :meth:`mata_audio.MATA.__call__`.
        tokens: the kinds of tokens that must be heard, whose end "after-audio" rows follow, as
            :func:`~mata_audio.notation.tokens.read_tokens` returns them.
        kinds: finds keys of other kinds in prompts, by what the caller gave.
        answering: how the logits of changed rows are made. With several views, gains have a row for
            each view of each sample.
        others: second prompts that are answered beside, by name.

    Raises:
        AlreadyAttachedError: the model is steered already.
        PromptLengthError: ``prompt_length`` is impossible.
        SettingsError: the gains do not fit the model, or it has no tokens of a named kind.
        SettingsTypeError: ``audio_mask`` is not a mask.
    """

    def __init__(
        self,
        located: Located,
        changes: Sequence[KeyGains],
        prompt_length: int | Sequence[int] | None = None,
        observer: Observer | None = None,
        prompt_rows: PromptRows = LAST,
        audio_mask: Tensor | None = None,
        tokens: str = "audio",
        kinds: KeyKinds = KeyKinds(),  # noqa: B008  # it is frozen
        answering: Answering = Answering(),  # noqa: B008  # it is frozen
        others: Mapping[str, OtherPrompt] | None = None,
    ) -> None:
        self._located = located
        changes = [_on_device(change, located) for change in changes]
        rows, self._views = changes[0].gains.shape[1], answering.views
        samples = rows // self._views
        self._gain_rows = rows
        fitted = any(change.gains.requires_grad for change in changes)
        steered = [
            layer
            for layer in (located.attending if fitted else range(located.depth))
            if any(change.steers(layer) for change in changes)
        ]
        check_attending(steered, located.attending)
        self._steered = tuple(steered)
        in_layers = layer_gains(changes, located.depth, self._views)
        self._layers = [
            SteeredLayer(located.attention(i), i, in_layers, self._views, observer)
            for i in (steered if observer is None else located.attending)
        ]
        self._changes = " and ".join(dict.fromkeys(change.formula for change in changes))
        find_audio = located.audio_mask if audio_mask is None else _always(audio_mask)
        self._tokens = tokens
        ids = located.ids_of(tokens) if find_audio is None else ()
        finder = PromptFinder(ids, prompt_length, prompt_rows, find_audio, kinds)
        self._tracker = PassTracker(finder, same_gains=samples == 1)
        self._turns = Turns()
        self._calls = SteeredCalls(
            located, self._layers, self._tracker, self._turns, answering, others or {}, samples
        )
        with ExitStack() as undo:
            self._attach(undo)
            self._undo = undo.pop_all()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.detach()

    def __reduce_ex__(self, protocol: Any) -> NoReturn:
        """Refuse to be copied or pickled with the model."""
        refuse_copies()

    def __repr__(self) -> str:
        on = f"on {type(self._located.listener).__name__}" if self.attached else "detached"
        layers = f"{short(format_indices(self._steered)) or 'none'} of {self._located.depth}"
        passes = f"{self._calls.forward_passes:,} forward passes"
        return described(f"Attachment {on}: {short(self._changes)}, layers {layers}, {passes}")

    @property
    def attached(self) -> bool:
        """Whether the model is still steered."""
        return vars(self._located.listener).get(_ATTACHMENT) is self

    @property
    def receipt(self) -> Receipt:
        """What has happened so far."""
        return Receipt(
            forward_passes=self._calls.forward_passes,
            active_rows=self._calls.active_rows,
            layers=self._steered,
            depth=self._located.depth,
            audio_tokens=tuple(n for prompt in self._tracker.readings.audio_tokens for n in prompt),
            listening=self._tracker.listening.whole,
            tokens=self._tokens,
        )

    @property
    def listening(self) -> list[Listening]:
        """For each sample that has gains, how its rows listened so far.

        Counted in passes over as many samples as have gains.
        """
        return self._tracker.listening.by_sample(self._gain_rows)[:: self._views]

    def adopt(
        self, cache: Cache, ids: Tensor, mask: Tensor | None = None, steered: bool = False
    ) -> None:
        """Tell which prompt a cache holds that was not filled by this attachment.

        Forward passes with this cache then continue that prompt: what it lacks, and an answer.

        Args:
            cache: holds keys of the prompt's first tokens, each in the slot that it has in ``ids``.
            ids: the whole prompt, with what is not in the cache yet, shape ``(batch, tokens)``.
            mask: its attention mask, same shape; None if there is no padding.
            steered: whether the cache was filled with the setting on, as a copy is of a cache from
                this block, or one whose samples were reordered. It may then hold answers too.

        Raises:
            CacheError: ``generate`` runs.
            SettingsError: the cache was filled without the setting, and holds rows that it changes.
        """
        self._turns.take(lambda: self._tracker.adopt(cache, ids, mask, steered), _refuse_adopting)

    def detach(self) -> None:
        """Take the intervention off: the model is exactly as before. A second call does nothing.

        Calls of the model that run in other threads, or wait there for their turn, end first.

        Raises:
            StillRunningError: the call comes from within a call of the model.
        """
        self._turns.close(self._undo.close)

    def check(self, on_no_audio: str = "raise") -> None:
        """Raise if the model ran and nothing was changed.

        Raises:
            NoAudioError: none of the chosen tokens was seen, and ``on_no_audio`` is ``"raise"``.
            PromptLengthError: audio was seen, but ``prompt_length`` lies beyond a sequence, or no
                row was active.
        """
        missing = next(iter(self._tracker.readings.unfinished.values()), None)
        if missing is not None:
            raise PromptLengthError(
                f"{missing}, so the prompt's last row was never steered: read the whole prompt "
                "inside the block, or give its number of tokens, padding not counted"
            )
        audio_seen = any(any(prompt) for prompt in self._tracker.readings.audio_tokens)
        if audio_seen and self._steered and not self._calls.active_rows:
            raise PromptLengthError(
                "no query row was active, so nothing was changed: let the model read the whole "
                "prompt inside the block"
            )
        if self._calls.forward_passes and not audio_seen and on_no_audio == "raise":
            raise no_audio_error(
                self._tokens, self._tracker.readings.finder.token_ids, self._calls.forward_passes
            )

    def _attach(self, undo: ExitStack) -> None:
        """Change the model, and note in ``undo`` how to take each change back."""
        listener: Any = self._located.listener
        with _lock:
            if _ATTACHMENT in vars(listener):
                raise AlreadyAttachedError(
                    f"this {type(listener).__name__} is steered already: first leave its `with` "
                    "block, or call mata_audio.attachment_of(model).detach()"
                )
            setattr(listener, _ATTACHMENT, self)
        undo.callback(delattr, listener, _ATTACHMENT)
        self._calls.check_attention()
        for layer in self._layers:
            undo.callback(reroute(self._located.attention(layer.index), layer))
        # A decoding step that generate() compiled before belongs to the unsteered model, and one
        # that it compiles from now on to the steered model: neither may serve the other.
        for name in ("_compiled_call", "_last_compile_config"):
            undo.callback(_restore, listener, name, vars(listener).pop(name, None))
        for name, method in (
            ("forward", self._calls.forward(listener.forward)),
            ("generate", self._calls.generate(listener.generate)),
            ("generate_batch", refuse_batching),
        ):
            undo.callback(self._take_off, name, method, vars(listener).get(name))
            setattr(listener, name, method)

    def _take_off(self, name: str, method: Any, before: Any) -> None:
        """Put the listener's method back, unless someone has wrapped ours since: theirs stays."""
        if vars(self._located.listener).get(name) is method:
            _restore(self._located.listener, name, before)
        else:
            self._calls.wrapped.add(name)


def attachment_of(model: nn.Module) -> Attachment | None:
    """Return what steers ``model``, also if its handle was lost; None if nothing does.

    Raises:
        UnsupportedModelError: the architecture is not known.
    """
    found: Attachment | None = vars(locate(model).listener).get(_ATTACHMENT)
    return found


def _on_device(change: KeyGains, located: Located) -> KeyGains:
    """Return ``change`` with its gains on the model's device.

    Raises:
        SettingsError: the gains do not fit the model.
    """
    gains = change.gains
    if gains.dim() != 3 or gains.shape[::2] != (located.depth, located.heads):
        raise SettingsError(
            f"gains must have the shape (layers, batch or 1, heads) = ({located.depth}, ..., "
            f"{located.heads}) for this model; got {tuple(gains.shape)}"
        )
    if gains.requires_grad or located.device.type == "meta":  # accelerate loads layer by layer
        return change
    return replace(change, gains=gains.to(located.device))


def _refuse_adopting() -> NoReturn:
    raise StillRunningError("the model is no longer steered: adopt() has nothing to steer")


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
