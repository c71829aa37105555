"""The arguments of a forward pass, split: its first rows run once, its last ones for every view."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NoReturn

import torch
from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.steering.forward_pass import ForwardPass

_BY_TOKEN = ("input_ids", "position_ids", "token_type_ids", "mm_token_type_ids")
"""Model arguments of shape ``(..., batch, tokens)``, with an entry for each new token."""

_ENCODED = "mm_encoder_outputs"
"""A model argument of ``generate``: pictures as their encoder has left them, in a dict."""

_UNDEFINED = ("labels", "output_attentions", "output_hidden_states")
"""Model arguments that ask for what several views do not have one of."""


def first_rows(given: Mapping[str, Any], first: int, whole: ForwardPass) -> dict[str, Any]:
    """Return the arguments of a pass that reads only the first rows, into a cache."""
    arguments = dict(given)
    for name, value in given.items():
        if isinstance(value, Tensor) and name in _BY_TOKEN:
            arguments[name] = value[..., :first]
        elif isinstance(value, Tensor) and name == "inputs_embeds":
            arguments[name] = value[:, :first]
        elif isinstance(value, Tensor) and name == "attention_mask":
            arguments[name] = value[:, : whole.past + first]
    keep = given.get("logits_to_keep")
    if isinstance(keep, int) and keep:
        arguments["logits_to_keep"] = max(1, keep - (whole.queries - first))
    return {**arguments, "use_cache": True}


def last_rows(
    given: Mapping[str, Any], first: int, views: int, whole: ForwardPass, state: Tensor | None
) -> dict[str, Any]:
    """Return the arguments of a pass that reads the rows from ``first`` on, for every view.

    The audio itself, or a picture, belongs to the rows before.

    Args:
        given: the arguments of the whole pass.
        first: its first row that is read.
        views: how often each sample is repeated.
        whole: the whole pass.
        state: what the model keeps of the prompts outside the cache; see ``row_state``.
    """
    arguments = {
        name: value
        for name, value in given.items()
        if not isinstance(value, Tensor) and name != _ENCODED
    }
    arguments |= _positions(given, whole, state)
    for name, value in [*given.items(), *arguments.items()]:
        if isinstance(value, Tensor) and name in _BY_TOKEN:
            own = value[..., first:]
            shared = own.shape[-2] != whole.prompt.batch  # positions may have one row for all
            arguments[name] = own if shared else own.repeat_interleave(views, dim=-2)
        elif isinstance(value, Tensor) and name == "inputs_embeds":
            arguments[name] = value[:, first:].repeat_interleave(views, dim=0)
        elif isinstance(value, Tensor) and name == "attention_mask":
            arguments[name] = value.repeat_interleave(views, dim=0)
    return {**arguments, "use_cache": True}


def _positions(
    given: Mapping[str, Any], whole: ForwardPass, state: Tensor | None
) -> dict[str, Tensor]:
    """Return the positions that a model with a row state finds if it reads the whole pass at once.

    From a cache and a mask over all of its slots, the model itself would find too many, and without
    a mask those of an earlier prompt.
    """
    mask = given.get("attention_mask")
    if state is None or given.get("position_ids") is not None or (mask is None and whole.past):
        return {}
    batch = whole.prompt.batch
    if mask is None:
        places = torch.arange(whole.queries, device=state.device).expand(batch, -1)
    else:
        places = (mask.long().cumsum(dim=1) - 1).masked_fill(mask == 0, 0)[:, whole.past :]
        places = places + state.repeat_interleave(batch // len(state), dim=0).to(places.device)
    return {"position_ids": places.expand(3, -1, -1)}


def keeps_more(given: Mapping[str, Any], last: int, before: int) -> bool:
    """Whether logits of rows before the ``last`` ones are asked for.

    Args:
        given: the arguments of the whole pass.
        last: number of last rows.
        before: how many logits came of the rows before: one if none was asked for, but all from
            models that do not know the argument.
    """
    keep = given.get("logits_to_keep")
    return not keep or keep > last or before > 1


def check_defined(given: Mapping[str, Any], whole: ForwardPass, first: int) -> None:
    """Check that a pass can be split before row ``first``.

    Raises:
        SettingsError: it cannot, or is asked for what several views do not have one of.
    """
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
    if whole.prompt.audio[:, whole.past + first : whole.past + whole.queries].any():
        raise SettingsError(
            "a row that is changed comes before the end of the audio, but this method reads such "
            "rows apart from the audio: change later rows, and pad prompts on the left"
        )
    if not first and not whole.past:
        raise SettingsError(
            "every row of the prompt is changed, so no part of it is shared by the views: this "
            "method needs audio before the last token of the prompt"
        )


def _refuse(what: str) -> NoReturn:
    raise SettingsError(
        f"{what} is not defined for a method that reads the last rows more than once: leave it out"
    )
