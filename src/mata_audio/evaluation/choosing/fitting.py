"""What is fitted, and how: kinds of changes, numbers for each, the loss, when to stop."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from mata_audio.errors import SettingsError
from mata_audio.methods.method import number, one_of
from mata_audio.notation.keys import KEYS, read_keys
from mata_audio.steering.formulas import FORMULAS

PER_HEAD, PER_LAYER, SHARED = "per-head", "per-layer", "shared"
SHAPES = (PER_HEAD, PER_LAYER, SHARED)
"""How many numbers a kind has: one for each layer and head, one for each layer, or one in all."""


@dataclass(frozen=True)
class Kind:
    """One kind of change: a formula, and the keys that it is for.

    Args:
        formula: one of :data:`mata_audio.steering.formulas.FORMULAS`.
        keys: some of :data:`mata_audio.notation.keys.KEYS`, with commas; nobody marks spans here.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    formula: str
    keys: str = "audio"

    def __post_init__(self) -> None:
        one_of("formula", self.formula, tuple(FORMULAS))
        object.__setattr__(self, "keys", read_keys(self.keys))
        for name in self.keys.split(","):
            one_of("keys", name, KEYS)

    def __str__(self) -> str:
        return f"{self.formula}:{self.keys.replace(',', '+')}"


@dataclass(frozen=True)
class Fitting:
    """How gains are fitted.

    Args:
        kinds: what is changed; each kind has gains of its own.
        shape: one of :data:`SHAPES`.
        contrast: fit the weight of a contrast with the unheard answer beside the gains; its power
            and cut are those of :class:`mata_audio.methods.contrast.Contrast`.
        keep: groups that must not lose, as (key of grouping, group): a stopping point is taken only
            if each of them loses no more answers than it gains on the validation items.
        folds: 1 for one fit, validated on a share of the items. Else the items are divided into so
            many parts; each is the validation part of one fit on the others, and the fits are
            averaged.
        steps: largest number of Adam steps, each over all items.
        rate: Adam's step size, in gain.
        hold: weight of the KL divergence from the unsteered model, on items that it gets right.
        penalty: weight of the mean squared gain of each kind.
        spread_penalty: weight of the mean squared distance of a kind's gains from their mean.
        patience: steps without a better validation loss before stopping.
        validation: share of the tuning items kept for validation, with one fold.
        seed: seed for choosing the validation items.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """

    kinds: tuple[Kind, ...] = (Kind("mass"),)
    shape: str = PER_HEAD
    contrast: bool = False
    keep: tuple[tuple[str, str], ...] = ()
    folds: int = 1
    steps: int = 40
    rate: float = 0.1
    hold: float = 0.0
    penalty: float = 0.02
    spread_penalty: float = 0.0
    patience: int = 10
    validation: float = 1 / 3
    seed: int = 1

    def __post_init__(self) -> None:
        if not self.kinds or len(set(self.kinds)) < len(self.kinds):
            raise SettingsError(
                "give at least one kind of change, and each once; got "
                f"{', '.join(map(str, self.kinds)) or 'none'}"
            )
        one_of("shape", self.shape, SHAPES)
        for name in ("hold", "penalty", "spread_penalty"):
            number(name, getattr(self, name), 0, 1e6)
        number("rate", self.rate, 1e-6, 1e3)
        for name, least in {"folds": 1, "steps": 0, "patience": 1, "seed": 0}.items():
            value = getattr(self, name)
            if not isinstance(value, int) or value < least:
                raise SettingsError(
                    f"{name} must be a whole number of at least {least}; got {value!r}"
                )
        if self.contrast and self.hold:
            raise SettingsError(
                "hold is the distance of all tokens' probabilities from the unsteered model's, "
                "which is infinite where the contrast rules tokens out: leave out one of them"
            )

    def as_data(self) -> dict[str, Any]:
        """Return the fields as JSON data."""
        data = asdict(self)
        return {
            **data,
            "kinds": [str(kind) for kind in self.kinds],
            "keep": [f"{key}={group}" for key, group in self.keep],
        }


def read_kinds(text: str) -> tuple[Kind, ...]:
    """Read kinds such as ``mass:audio,add:text+special``; without keys they are the audio's.

    Raises:
        SettingsError: a formula or a kind of keys that does not exist.
    """
    found = []
    for part in text.split(","):
        formula, _, keys = part.strip().partition(":")
        found.append(Kind(formula.strip(), keys.replace("+", ",") or "audio"))
    return tuple(found)


def read_keep(texts: Sequence[str]) -> tuple[tuple[str, str], ...]:
    """Read groups that must not lose, such as ``sub-category=caption agrees``.

    Raises:
        SettingsError: a text has no key or no group.
    """
    found = []
    for text in texts:
        key, _, group = text.partition("=")
        if not key.strip() or not group.strip():
            raise SettingsError(
                f"cannot read the group {text!r}: write KEY=GROUP, as in "
                '"sub-category=caption agrees"'
            )
        found.append((key.strip(), group.strip()))
    return tuple(found)
