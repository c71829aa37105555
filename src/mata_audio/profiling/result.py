"""A finished attention profile, and its file."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from mata_audio.errors import DataError
from mata_audio.shown.in_html import InHtml
from mata_audio.shown.one_line import OneLine, described, named
from mata_audio.storage.atomic_file import write_atomically

Floats = NDArray[np.float64]

FORMAT = 1
_ARRAYS = {"mean": 3, "spread": 3, "imbalance": 1, "negative_share": 2}


@dataclass(frozen=True, eq=False)
class Attention(OneLine):
    """Where the active rows look under one setting.

    An item's mass is the mean over its active rows: those of the last prompt token and of its
    generated tokens. Undefined values are NaN.

    Args:
        mean: mean over items of the share of attention on each kind of token, shape
            ``(layers, heads, kinds)``; it sums to 1 over the kinds.
        spread: standard deviation over items, same shape; NaN for a single item.
        imbalance: each layer's attention per audio token over its attention per text token, shape
            ``(layers,)``. Text means the kinds ``system`` and ``instruction``. Per audio token: an
            item's mass on audio, averaged over heads, divided by its number of audio tokens, then
            averaged over items; per text token likewise. At 1 an audio token gets as much as a
            word, below 1 less. Only items that have both count; NaN if there are none.
        negative_share: share of raw audio scores below zero, shape ``(layers, heads)``, over the
            active rows of all items.
        rows: number of active rows, over all items.
        setting: the setting's fields; None for the baseline.
    """

    mean: Floats
    spread: Floats
    imbalance: Floats
    negative_share: Floats
    rows: int
    setting: Mapping[str, Any] | None = None

    def __repr__(self) -> str:
        layers, heads, kinds = self.mean.shape
        under = "baseline" if self.setting is None else self.setting.get("method", "mata")
        size = f"{layers} layers x {heads} heads x {kinds} kinds, {self.rows:,} rows"
        return described(f"Attention under {under}: {size}")

    def of(self, kind: str, kinds: tuple[str, ...]) -> Floats:
        """Return the mean mass on one kind, averaged over heads, shape ``(layers,)``."""
        return self.mean[:, :, kinds.index(kind)].mean(axis=1)


@dataclass(frozen=True, eq=False)
class Profile(OneLine, InHtml):
    """Where the last token looks, layer by layer and head by head.

    Args:
        kinds: names of the kinds of tokens, in the order of the arrays' last axis.
        items: number of prompts.
        tokens: mean number of prompt tokens of each kind, shape ``(kinds,)``.
        attention: attention by name of setting, ``"baseline"`` first.
        facts: JSON data about what was profiled; empty unless set with :meth:`with_facts`.
    """

    kinds: tuple[str, ...]
    items: int
    tokens: Floats
    attention: Mapping[str, Attention]
    facts: Mapping[str, Any] = field(default_factory=dict)

    def __repr__(self) -> str:
        prompts = f"{self.items:,} prompt{'' if self.items == 1 else 's'}"
        size = f"{prompts}, {self.layers} layers x {self.heads} heads"
        return described(f"Profile: {size}; {named(self.attention)}")

    @property
    def layers(self) -> int:
        """Number of decoder layers."""
        return int(next(iter(self.attention.values())).mean.shape[0])

    @property
    def heads(self) -> int:
        """Number of query heads in each layer."""
        return int(next(iter(self.attention.values())).mean.shape[1])

    def with_facts(self, facts: Mapping[str, Any]) -> Profile:
        """Return the profile with ``facts`` (JSON data) about what was profiled."""
        return replace(self, facts=facts)

    def to_dict(self) -> dict[str, Any]:
        """Return the profile as JSON data; undefined values are None."""
        return {
            "format": FORMAT,
            "kinds": list(self.kinds),
            "items": self.items,
            "tokens": _listed(self.tokens),
            "attention": {
                name: {
                    "setting": None if own.setting is None else dict(own.setting),
                    "rows": own.rows,
                    **{array: _listed(getattr(own, array)) for array in _ARRAYS},
                }
                for name, own in self.attention.items()
            },
            "facts": dict(self.facts),
        }

    def save(self, path: str | Path) -> None:
        """Write the profile to ``path`` as JSON, atomically."""
        write_atomically(Path(path), json.dumps(self.to_dict(), allow_nan=False) + "\n")

    @classmethod
    def load(cls, path: str | Path) -> Profile:
        """Read a profile that :meth:`save` wrote.

        Raises:
            FileNotFoundError: there is no such file.
            DataError: the file is not a profile.
        """
        try:
            data: Any = json.loads(Path(path).read_text(encoding="utf-8"))
            if data["format"] != FORMAT:
                raise DataError(
                    f"{path} is a profile of format {data['format']}, and this version reads "
                    f"format {FORMAT}: make it again with `mata profile`"
                )
            return cls(
                kinds=tuple(data["kinds"]),
                items=data["items"],
                tokens=_array(data["tokens"], 1),
                attention={
                    name: Attention(
                        **{array: _array(own[array], axes) for array, axes in _ARRAYS.items()},
                        rows=own["rows"],
                        setting=own["setting"],
                    )
                    for name, own in data["attention"].items()
                },
                facts=data["facts"],
            )
        except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
            if isinstance(error, DataError):
                raise
            raise DataError(
                f"{path} is not a profile ({type(error).__name__}: {error}); give a file that "
                "Profile.save or `mata profile --json` wrote"
            ) from error


def _listed(array: Floats) -> Any:
    """Return an array as nested lists, with None for NaN."""
    if array.ndim > 1:
        return [_listed(part) for part in array]
    return [None if math.isnan(value) else float(value) for value in array]


def _array(values: Any, axes: int) -> Floats:
    array = np.array(values, dtype=np.float64)  # None becomes NaN
    if array.ndim != axes:
        raise ValueError(f"an array has {array.ndim} axes instead of {axes}")
    return array
