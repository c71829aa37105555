"""What one request asks for: read where it comes in, so that a client is told what is wrong."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any
from uuid import uuid4

import numpy as np

from mata_audio.errors import NoAudioError, SettingsError, UnsupportedModelError
from mata_audio.methods import MATA, Method
from mata_audio.methods.method import method_from
from mata_audio.serving.request import FIELD
from mata_audio.steering.prompt import Prompt
from mata_audio.steering.prompt_finder import PromptFinder
from mata_audio.vllm_plugin.engine import SteeredEngine, check_rule, method_given

SETTING, FIRST_ROW, NAME = "setting", "first_row", "name"
"""What is kept of a request, under :data:`FIELD` of its ``extra_args``: its method as JSON, the
first position whose row is changed, and a name that no other request has: ids may come again."""


def asked_for(extra_args: Mapping[str, Any] | None) -> Any:
    """Return what a request says of its setting: fields, words, or None; later, its plan."""
    return None if extra_args is None else extra_args.get(FIELD)


def method_asked_for(given: object, default: Method | None) -> Method | None:
    """Return the method that a request is answered with; None for the unmodified model.

    Args:
        given: as for :func:`~mata_audio.vllm_plugin.engine.method_given`; None for the engine's.
        default: the engine's.

    Raises:
        MataError: as there.
    """
    return default if given is None else method_given(given, default or MATA(), FIELD)


def plan_of(
    method: Method, engine: SteeredEngine, token_ids: Sequence[int] | None, heard: Sequence[range]
) -> dict[str, Any] | None:
    """Return what is kept of a request; None if its prompt has nothing to listen to.

    Args:
        method: what it is answered with.
        engine: the engine.
        token_ids: the prompt's, with a token for each audio frame; None for embeddings.
        heard: the positions that vLLM gives to audio.

    Raises:
        SettingsError: the method cannot be used on this model, or under vLLM.
        UnsupportedModelError: the prompt does not show where its audio is.
    """
    rule = method.rule()
    finder = engine.finder(rule)
    prompt = prompt_of(finder, token_ids)
    marked = np.zeros(prompt.width, dtype=bool)
    for positions in heard:
        marked[positions.start : positions.stop] = True
    if rule.tokens == "audio" and (marked & ~prompt.audio[0]).any():
        raise UnsupportedModelError(
            "vLLM hears audio at positions whose token ids are not those of audio: this model "
            f"cannot be steered under vLLM; its audio tokens are {finder.token_ids}"
        )
    if not any(prompt.audio_tokens):
        return None
    first_row = int(prompt.active[0].argmax())
    return {SETTING: method.as_data(), FIRST_ROW: first_row, NAME: uuid4().hex}


def no_audio(method: Method) -> NoAudioError:
    """Return the error for a request that asks for a method, and has nothing to listen to."""
    return NoAudioError(
        f"the request asks for {method.name}, but its prompt has no {method.rule().tokens} tokens: "
        f'leave out {FIELD!r}, or set on_no_audio="ignore"'
    )


def prompt_of(finder: PromptFinder, token_ids: Sequence[int] | None) -> Prompt:
    """Return one prompt, as a batch of one without padding.

    Raises:
        SettingsError: the prompt is given as embeddings.
    """
    if token_ids is None:
        raise SettingsError("a prompt that is given as embeddings cannot be steered under vLLM")
    return finder.new(np.array([token_ids], dtype=np.int64), None)


def planned_method(plan: Mapping[str, Any]) -> Method:
    """Return the method of what was kept of a request."""
    found = method_from(plan[SETTING], FIELD)
    check_rule(found.rule())
    return found
