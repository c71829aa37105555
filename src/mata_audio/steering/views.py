"""Several views of one prompt: the last rows run once for each, and their logits become one.

The views share the prompt up to its first changed row. From there on each sample has a row for
every view, side by side in one batch, and the cache holds them so until ``generate`` ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, Protocol

import torch
from torch import Tensor
from transformers import cache_utils
from transformers.cache_utils import DynamicLayer

from mata_audio.errors import CacheError, SettingsError
from mata_audio.families import Located, row_state, using_row_state
from mata_audio.steering.audio_share import AudioShare
from mata_audio.steering.forward_pass import ForwardPass
from mata_audio.steering.other_prompt import OtherPrompt, OtherReader, Runs, readers_of
from mata_audio.steering.prompt import HEARD
from mata_audio.steering.rule import Combine, FirstLook
from mata_audio.steering.split_pass import check_defined, first_rows, keeps_more, last_rows

_REPEATABLE = tuple(
    getattr(cache_utils, name)
    for name in ("DynamicLayer", "DynamicSlidingWindowLayer", "DummyLayer")
    if hasattr(cache_utils, name)
)
"""Kinds of cache layers that hold all they know in one row for each sample, or nothing."""


class _Under(Protocol):
    def __call__(self, this_pass: ForwardPass, call: Callable[[], Any], /) -> Any:
        """Call what belongs to a pass."""


@dataclass(frozen=True)
class Answering:
    """How the logits of the last rows are made.

    Args:
        views: number of views.
        combine: makes one of their logits and, after these, those of the other prompts; None for
            one view.
        others: names of other prompts that are answered beside.
        look: sets the strength of the changes; None for full strength.
        share: watches how much attention goes to audio, for ``combine``.
    """

    views: int = 1
    combine: Combine | None = None
    others: tuple[str, ...] = ()
    look: FirstLook | None = None
    share: AudioShare | None = None

    @property
    def is_plain(self) -> bool:
        """Whether the model's own logits are the answer."""
        return self.combine is None and self.look is None


class LastRows:
    """Runs the passes of one model that have changed rows, as ``answering`` says.

    Args:
        located: the model's parts.
        answering: how logits are made.
        others: the other prompts, by name.

    Raises:
        SettingsError: another prompt is missing.
    """

    def __init__(
        self,
        located: Located,
        answering: Answering,
        others: Mapping[str, OtherPrompt] | None = None,
    ) -> None:
        self._located = located
        self._answering = answering
        self._others = dict(others or {})
        readers_of(answering.others, located, self._others)  # raises if one is missing
        self.looks = 0
        """Passes that only looked."""
        self._followed: list[_Followed] = []
        self._generating = 0

    @contextmanager
    def generation(self) -> Iterator[None]:
        """Keep the rows of all views in the caches that a ``generate`` call fills."""
        outer = len(self._followed)
        self._generating += 1
        try:
            yield
        finally:
            self._generating -= 1
            for followed in self._followed[outer:]:
                self._leave(followed)
            del self._followed[outer:]

    def run(
        self,
        stock: Callable[..., Any],
        given: Mapping[str, Any],
        whole: ForwardPass,
        under: _Under,
        by_generate: bool,
    ) -> Any:
        """Run a pass that has changed rows, and return its output with the logits made one.

        Args:
            stock: the listener's own ``forward``.
            given: its arguments by name.
            whole: the pass.
            under: lets the layers know which pass they belong to.
            by_generate: whether ``generate`` makes the pass. If not, the cache that comes back
                holds only the first view.

        Raises:
            SettingsError: the views are not defined for what is asked.
            CacheError: the cache cannot hold several views, or lacks them.
        """
        first = _first_changed(whole)
        cache, before = given.get("past_key_values"), None
        self._check_cache(cache)
        check_defined(given, whole, first)
        if first:
            early = replace(whole, rows=None, queries=first, ends_prompt=False, scaled=None)
            arguments = first_rows(given, first, whole)
            before = under(early, lambda: stock(**arguments))
            cache = before.past_key_values
            self._check_cache(cache)
            if cache is None:
                raise CacheError(
                    "the model made no cache, which this method needs: switch gradient "
                    "checkpointing off, or call model.eval()"
                )
        followed = self._follow(cache, whole)
        try:
            output = self._last(stock, given, whole, under, first, followed)
        finally:
            goes_on = by_generate and self._generating and given.get("use_cache") is not False
            if not goes_on:
                self._leave(followed)
                self._followed.remove(followed)
        if given.get("use_cache") is False:
            output.past_key_values = None
        if before is not None:
            early_logits = before.logits.to(output.logits)
            if keeps_more(given, whole.queries - first, early_logits.shape[1]):
                output.logits = torch.cat([early_logits, output.logits], dim=1)
        return output

    def _last(
        self,
        stock: Callable[..., Any],
        given: Mapping[str, Any],
        whole: ForwardPass,
        under: _Under,
        first: int,
        followed: _Followed,
    ) -> Any:
        """Run the rows from ``first`` on under every view."""
        views = self._answering.views
        past, queries = whole.past + first, whole.queries - first
        prompt = whole.prompt.expand(whole.prompt.batch * views)
        device = whole.kinds[HEARD].device
        last = replace(
            whole,
            prompt=prompt,
            kinds=prompt.on(device),
            rows=prompt.rows(past, queries, device),
            past=past,
            queries=queries,
            scaled=None,
        )
        state = row_state(self._located)
        arguments = last_rows(given, first, views, whole, state)
        arguments["past_key_values"] = followed.cache
        repeated = None if state is None else state.repeat_interleave(views, dim=0)
        with using_row_state(self._located, repeated):
            if self._answering.look is not None:
                last = self._looked(stock, arguments, last, under)
            output = under(last, lambda: stock(**arguments))
        if self._answering.combine is not None:
            run = partial(_run_plainly, stock, under)
            beside = [self._answer(reader, given, last, run, whole) for reader in followed.readers]
            self._combine(output, last, beside)
        return output

    def _answer(
        self,
        reader: OtherReader,
        given: Mapping[str, Any],
        last: ForwardPass,
        run: Runs,
        whole: ForwardPass,
    ) -> Tensor:
        """Return another prompt's logits for the last rows, ``(batch, rows, vocabulary)``."""
        ids, width = given.get("input_ids"), whole.prompt.width
        if ids is None:
            raise SettingsError("another prompt can be answered beside token ids only")
        new = max(0, last.past + last.queries - max(last.past, width))
        logits = reader.logits(ids[:, ids.shape[1] - new :], max(0, last.past - width), run, whole)
        if logits.shape[1] != last.queries:
            raise SettingsError(
                "the prompts end in different places: pad them on the left, so that another "
                "prompt can be answered beside each"
            )
        return logits

    def _looked(
        self, stock: Callable[..., Any], arguments: dict[str, Any], last: ForwardPass, under: _Under
    ) -> ForwardPass:
        """Return the pass with the strength that a first look at it sets."""
        look = self._answering.look
        assert look is not None
        if last.queries != 1:
            raise SettingsError(
                f"a pass changes {last.queries} rows at once, but this method looks at each row "
                "before it changes it: no speculative decoding, no use_cache=False, no answers "
                "given with their prompt, and pad prompts on the left"
            )
        if not (look.each_step or last.reads_prompt):
            return replace(last, rows=None)
        cache = arguments["past_key_values"]
        self.looks += 1
        unchanged = replace(last, rows=None)
        output = under(unchanged, lambda: stock(**arguments))
        cache.crop(-last.queries)
        views = self._answering.views
        strength = look.strength(_wide(output.logits[::views, -1]))
        return replace(last, strength=strength.repeat_interleave(views))

    def _combine(self, output: Any, last: ForwardPass, beside: Sequence[Tensor]) -> None:
        """Make the logits of an output, and those beside it, one for each sample."""
        views, combine = self._answering.views, self._answering.combine
        assert combine is not None
        logits = output.logits
        kept = logits.shape[1]
        by_view = _wide(logits).unflatten(0, (-1, views)).movedim(1, 0)
        heard = by_view[0]
        changed = _is_changed(last, kept)[::views].to(logits.device)
        every = [*by_view, *(other[:, -kept:].to(heard) for other in beside)]
        seen = []
        if self._answering.share is not None:
            seen.append(self._answering.share.taken()[::views, -kept:])
        combined = combine(torch.stack(every), *seen)
        output.logits = torch.where(changed[..., None], combined, heard)
        if isinstance(getattr(output, "rope_deltas", None), Tensor):
            output.rope_deltas = output.rope_deltas[::views]

    def _follow(self, cache: Any, whole: ForwardPass) -> _Followed:
        """Give a cache a row for each view of each sample, and follow what is done to it."""
        known = next((own for own in self._followed if own.cache is cache), None)
        if known is not None:
            return known
        views = self._answering.views
        unread = whole.past >= whole.prompt.width or whole.prompt.active[:, : whole.past].any()
        if unread and (views > 1 or self._others):
            raise CacheError(
                "the cache holds an answer, or changed rows of a prompt, but not as the other "
                "views of this method would have read them: let generate() write the whole answer"
            )
        if views > 1:
            cache.batch_repeat_interleave(views)
        readers = readers_of(self._answering.others, self._located, self._others)
        followed = _Followed(cache, readers)
        self._followed.append(followed)
        reorder = cache.reorder_cache

        def reordered(beams: Tensor) -> None:
            rows = beams[:, None] * views + torch.arange(views, device=beams.device)
            reorder(rows.flatten())
            for reader in readers:
                reader.reorder(beams)

        cache.reorder_cache = reordered  # generate() reorders beams, which it takes for rows
        return followed

    def _check_cache(self, cache: Any) -> None:
        """Check that a cache can do what the method needs."""
        kinds = {type(layer) for layer in getattr(cache, "layers", ())}
        if self._answering.views > 1 and not kinds <= set(_REPEATABLE):
            raise CacheError(
                f"a {type(cache).__name__} with these layers cannot hold several views of a "
                "prompt: use a dynamic cache, and a model whose layers all have attention"
            )
        if self._answering.look is not None and not kinds <= {DynamicLayer}:
            raise CacheError(
                f"a {type(cache).__name__} with these layers cannot forget a row that was only "
                "looked at: use a dynamic cache, and a model without sliding windows"
            )

    def _leave(self, followed: _Followed) -> None:
        """Leave only the first view in a cache."""
        cache, views = followed.cache, self._answering.views
        del cache.reorder_cache
        if views > 1:
            found = (getattr(layer, "keys", None) for layer in cache.layers)
            rows = next(keys.shape[0] for keys in found if isinstance(keys, Tensor))
            cache.batch_select_indices(torch.arange(0, rows, views))


@dataclass(frozen=True, eq=False)
class _Followed:
    """A cache whose rows are those of views, and the other prompts that are answered beside it."""

    cache: Any
    readers: tuple[OtherReader, ...]


def _run_plainly(
    stock: Callable[..., Any], under: _Under, this_pass: ForwardPass, arguments: Mapping[str, Any]
) -> Any:
    """Run a pass over another prompt."""
    return under(this_pass, lambda: stock(**arguments, use_cache=True))


def _first_changed(whole: ForwardPass) -> int:
    """Return the number of rows of the pass before its first changed row."""
    if not whole.reads_prompt:
        return 0
    active = whole.prompt.active[:, whole.past : whole.past + whole.queries].any(axis=0)
    return int(active.argmax())


def _is_changed(last: ForwardPass, kept: int) -> Tensor:
    """Return which of the last ``kept`` rows are changed, shape ``(batch, kept)``."""
    changed = last.prompt.audio.any(axis=1, keepdims=True).repeat(last.queries, axis=1)
    known = last.prompt.active[:, last.past : last.past + last.queries]
    changed[:, : known.shape[1]] &= known
    return torch.from_numpy(changed[:, -kept:])


def _wide(logits: Tensor) -> Tensor:
    """Return logits in float32, or as they are if that is less."""
    return logits.to(torch.promote_types(logits.dtype, torch.float32))
