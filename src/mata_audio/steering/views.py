"""Several views of one prompt: the last rows run once for each, and their logits become one.

The views share the prompt up to its first changed row. From there on each sample has a row for
every view, side by side in one batch, and the cache holds them so until ``generate`` ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any, NoReturn, Protocol

import torch
from torch import Tensor
from transformers.cache_utils import DynamicLayer

from mata_audio.errors import CacheError, SettingsError
from mata_audio.families import Located, row_state, using_row_state
from mata_audio.steering.forward_pass import ForwardPass
from mata_audio.steering.other_prompt import OtherPrompt, OtherReader, Runs, readers_of
from mata_audio.steering.rule import Combine, FirstLook

_BY_TOKEN = ("input_ids", "inputs_embeds", "position_ids", "token_type_ids", "mm_token_type_ids")
"""Model arguments with one entry for each new token."""

_UNDEFINED = ("labels", "output_attentions", "output_hidden_states")
"""Model arguments that ask for what several views do not have one of."""


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
    """

    views: int = 1
    combine: Combine | None = None
    others: tuple[str, ...] = ()
    look: FirstLook | None = None

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
        self, stock: Callable[..., Any], given: Mapping[str, Any], whole: ForwardPass, under: _Under
    ) -> Any:
        """Run a pass that has changed rows, and return its output with the logits made one.

        Args:
            stock: the listener's own ``forward``.
            given: its arguments by name.
            whole: the pass.
            under: lets the layers know which pass they belong to.

        Raises:
            SettingsError: the views are not defined for what is asked.
            CacheError: the cache cannot hold several views, or lacks them.
        """
        _refuse_undefined(given)
        first = _first_changed(whole)
        cache, before = given.get("past_key_values"), None
        if first:
            early = replace(whole, rows=None, queries=first, ends_prompt=False, scaled=None)
            arguments = _first_rows(given, first, whole)
            before = under(early, lambda: stock(**arguments))
            cache = before.past_key_values
        elif cache is None or whole.past == 0:
            raise SettingsError(
                "every row of the prompt is changed, so no part of it is shared by the views: "
                "this method needs audio before the last token of the prompt"
            )
        output = self._last(stock, given, whole, under, first, cache)
        if given.get("use_cache") is False:
            output.past_key_values = None
        if before is not None and _keeps_all(given, whole.queries - first):
            output.logits = torch.cat([before.logits.to(output.logits), output.logits], dim=1)
        return output

    def _last(
        self,
        stock: Callable[..., Any],
        given: Mapping[str, Any],
        whole: ForwardPass,
        under: _Under,
        first: int,
        cache: Any,
    ) -> Any:
        """Run the rows from ``first`` on under every view."""
        views = self._answering.views
        followed = self._follow(cache, whole)
        past, queries = whole.past + first, whole.queries - first
        prompt = whole.prompt.expand(whole.prompt.batch * views)
        last = replace(
            whole,
            prompt=prompt,
            rows=prompt.rows(past, queries),
            past=past,
            queries=queries,
            scaled=None,
        )
        arguments = {**_last_rows(given, first, views), "past_key_values": cache}
        state = row_state(self._located)
        repeated = None if state is None else state.repeat_interleave(views, dim=0)
        with using_row_state(self._located, repeated):
            if self._answering.look is not None:
                last = self._looked(stock, arguments, last, under)
            output = under(last, lambda: stock(**arguments))
        if self._answering.combine is not None:
            run = partial(_run_plainly, stock, under)
            beside = [self._answer(reader, given, last, run, whole) for reader in followed.readers]
            self._combine(output, last, beside)
        if not self._generating or given.get("use_cache") is False:
            self._leave(followed)
            self._followed.remove(followed)
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
                f"a pass reads {last.queries} rows of the answer at once, but this method looks "
                "at each row before it changes it: no speculative decoding, and no answers given "
                "with their prompt"
            )
        if not (look.each_step or last.reads_prompt):
            return replace(last, rows=None)
        cache = arguments["past_key_values"]
        if any(type(layer) is not DynamicLayer for layer in cache.layers):
            raise CacheError(
                f"a {type(cache).__name__} with these layers cannot forget a row that was only "
                "looked at: this method needs a cache that can be cropped"
            )
        unchanged = replace(last, rows=None)
        output = under(unchanged, lambda: stock(**arguments))
        cache.crop(last.past)
        return replace(last, strength=look.strength(output.logits[:, -1].float()))

    def _combine(self, output: Any, last: ForwardPass, beside: Sequence[Tensor]) -> None:
        """Make the logits of an output, and those beside it, one for each sample."""
        views, combine = self._answering.views, self._answering.combine
        assert combine is not None
        logits = output.logits
        kept = logits.shape[1]
        by_view = logits.unflatten(0, (-1, views)).movedim(1, 0)
        heard = by_view[0].float()
        changed = _is_changed(last, kept)[::views].to(logits.device)
        every = [*by_view.float(), *(other[:, -kept:].to(heard) for other in beside)]
        output.logits = torch.where(changed[..., None], combine(torch.stack(every)), heard)
        if isinstance(getattr(output, "rope_deltas", None), Tensor):
            output.rope_deltas = output.rope_deltas[::views]

    def _follow(self, cache: Any, whole: ForwardPass) -> _Followed:
        """Give a cache a row for each view of each sample, and follow what is done to it."""
        known = next((own for own in self._followed if own.cache is cache), None)
        if known is not None:
            return known
        views = self._answering.views
        if views > 1 or self._others:
            if whole.past >= whole.prompt.width:
                raise CacheError(
                    "the cache holds an answer, but not as the other views of this method would "
                    "have read it: let generate() write the whole answer"
                )
            if not all(hasattr(layer, "batch_repeat_interleave") for layer in cache.layers):
                raise CacheError(
                    f"a {type(cache).__name__} with these layers cannot hold several views of a "
                    "prompt: use a dynamic cache, and a model whose layers all have attention"
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

    def _leave(self, followed: _Followed) -> None:
        """Leave only the first view in a cache."""
        cache, views = followed.cache, self._answering.views
        del cache.reorder_cache
        if views > 1:
            rows = next(layer.keys.shape[0] for layer in cache.layers if layer.get_seq_length())
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
    active = whole.prompt.active[:, whole.past : whole.past + whole.queries].any(dim=0)
    return int(active.int().argmax())


def _is_changed(last: ForwardPass, kept: int) -> Tensor:
    """Return which of the last ``kept`` rows are changed, shape ``(batch, kept)``."""
    heard = torch.tensor([count > 0 for count in last.prompt.audio_tokens])
    changed = heard[:, None].repeat(1, last.queries)
    known = last.prompt.active[:, last.past : last.past + last.queries]
    changed[:, : known.shape[1]] &= known.to(changed.device)
    return changed[:, -kept:]


def _first_rows(given: Mapping[str, Any], first: int, whole: ForwardPass) -> dict[str, Any]:
    """Return the arguments of a pass that reads only the first rows, into a cache."""
    arguments = {
        name: value[..., :first] if name in _BY_TOKEN and isinstance(value, Tensor) else value
        for name, value in given.items()
    }
    _cut_embeddings(arguments, given, slice(None, first))
    mask = given.get("attention_mask")
    if isinstance(mask, Tensor):
        arguments["attention_mask"] = mask[:, : whole.past + first]
    keep = given.get("logits_to_keep")
    if isinstance(keep, int) and keep:
        arguments["logits_to_keep"] = max(1, keep - (whole.queries - first))
    return {**arguments, "use_cache": True}


def _last_rows(given: Mapping[str, Any], first: int, views: int) -> dict[str, Any]:
    """Return the arguments of a pass that reads the rows from ``first`` on, for every view.

    The audio itself belongs to the rows before.
    """
    arguments = {
        name: value[..., first:].repeat_interleave(views, dim=-2)
        if name in _BY_TOKEN
        else value.repeat_interleave(views, dim=0)
        for name, value in given.items()
        if isinstance(value, Tensor) and name in (*_BY_TOKEN, "attention_mask")
    }
    _cut_embeddings(arguments, given, slice(first, None))
    if "inputs_embeds" in arguments:
        arguments["inputs_embeds"] = arguments["inputs_embeds"].repeat_interleave(views, dim=0)
    rest = {name: value for name, value in given.items() if not isinstance(value, Tensor)}
    return {**rest, **arguments, "use_cache": True}


def _cut_embeddings(arguments: dict[str, Any], given: Mapping[str, Any], rows: slice) -> None:
    """Cut embeddings, whose tokens are not their last dimension."""
    if isinstance(given.get("inputs_embeds"), Tensor):
        arguments["inputs_embeds"] = given["inputs_embeds"][:, rows]


def _keeps_all(given: Mapping[str, Any], last: int) -> bool:
    """Whether logits of rows before the ``last`` ones are asked for."""
    keep = given.get("logits_to_keep")
    return not keep or keep > last


def _refuse_undefined(given: Mapping[str, Any]) -> None:
    for name in _UNDEFINED:
        if given.get(name) is not None and given[name] is not False:
            _refuse(name)
    if given.get("return_dict") is False:
        _refuse("return_dict=False")
    mask, keep = given.get("attention_mask"), given.get("logits_to_keep")
    if mask is not None and not (isinstance(mask, Tensor) and mask.dim() == 2):
        _refuse("an attention_mask other than (batch, tokens)")
    if isinstance(keep, Tensor):
        _refuse("logits_to_keep other than a number")


def _refuse(what: str) -> NoReturn:
    raise SettingsError(
        f"{what} is not defined for a method that reads the last rows more than once: leave it out"
    )
