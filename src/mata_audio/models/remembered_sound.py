"""Making the features of a clip once, although several prompts ask about it."""

from __future__ import annotations

import copy
from collections import OrderedDict
from dataclasses import replace
from typing import Any

import numpy as np

from mata_audio.models.prompter import Prompter

KEPT = 4
"""Latest results that are kept: as many as items are prepared at once."""

_ATTRIBUTES = ("feature_extractor", "audio_processor")


def remembering_sound(prompter: Prompter) -> Prompter:
    """Return the prompter with a copy of its processor that makes equal features once.

    mistral-common makes features with the text, so its prompters are returned as they are.
    """
    processor = prompter.processor
    for name in _ATTRIBUTES:
        extractor = getattr(processor, name, None)
        if extractor is not None:
            processor = copy.copy(processor)
            setattr(processor, name, _Remembering(extractor))
            return replace(prompter, processor=processor)
    return prompter


class _Remembering:
    """A feature extractor that remembers its latest results; else the extractor itself."""

    def __init__(self, extractor: Any) -> None:
        self._extractor = extractor
        self._kept: OrderedDict[object, Any] = OrderedDict()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        key = _key((args, kwargs))
        if key not in self._kept:
            self._kept[key] = self._extractor(*args, **kwargs)
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return copy.copy(self._kept[key])  # processors take entries out of it

    def __getattr__(self, name: str) -> Any:
        if name == "_extractor":  # of a copy that has nothing yet
            raise AttributeError(name)
        return getattr(self._extractor, name)


def _key(value: Any) -> object:
    """Return something hashable that is equal for equal arguments, and for no others."""
    if isinstance(value, np.ndarray):
        return (value.shape, value.dtype.str, value.tobytes())
    if isinstance(value, dict):
        return tuple((name, _key(own)) for name, own in sorted(value.items()))
    if isinstance(value, (list, tuple)):
        return tuple(_key(own) for own in value)
    if value is None or isinstance(value, (str, bool, int, float)):
        return (type(value), value)
    return object()  # equal to nothing: what is not known is made again
