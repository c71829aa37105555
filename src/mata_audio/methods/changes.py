"""``Changes``: several changes of attention at once, as data, with a contrast beside them."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import MISSING, dataclass, fields
from typing import TYPE_CHECKING, Any, ClassVar

from mata_audio.errors import SettingsError, SettingsTypeError
from mata_audio.methods.contrast import Contrast
from mata_audio.methods.method import MAX_ALPHA, Method, listed, number, one_of
from mata_audio.notation.did_you_mean import did_you_mean
from mata_audio.notation.gains import read_gains
from mata_audio.notation.keys import read_keys
from mata_audio.notation.layers import parse_indices, read_layers
from mata_audio.notation.rows import read_rows
from mata_audio.notation.tokens import read_tokens
from mata_audio.steering.formulas import FORMULAS
from mata_audio.steering.rule import Change, Rule, unheard

if TYPE_CHECKING:
    from torch import Tensor

_FIELDS = [own.name for own in fields(Change)]
_NEEDED = [own.name for own in fields(Change) if own.default is MISSING]


@dataclass(frozen=True)
class Changes(Method):
    """Change the attention to several kinds of tokens at once, by a formula for each. Our own.

    It is what a fit of several kinds of gains writes: one setting for all of them. Changes of
    scores follow each other in their order, before the softmax; changes of weights all start from
    the same weights, and what each adds is added up. With ``contrast``, the logits that come of
    this are then moved away from those of the unmodified model with the audio out of reach, as
    :class:`~mata_audio.methods.contrast.Contrast` does.

    Args:
        changes: each with ``formula`` (:data:`~mata_audio.steering.formulas.FORMULAS`) and
            ``alpha``; if wanted ``keys`` (``"audio"`` if left out; any of
            :data:`~mata_audio.notation.keys.KEYS`, or marked spans), and either ``layers`` and
            ``heads`` or a table of ``gains``, as for
            :class:`~mata_audio.methods.one_change.OneChange`. A mapping, or a
            :class:`~mata_audio.steering.rule.Change`.
        contrast: alpha of the contrast; 0 for none.
        power: power of the contrast.
        cut: cut of the contrast, from 0 to 1.
        rows: which query rows of the prompt are changed, in addition to all later rows.
        seed: seed for random rows.
        tokens: without which of these a prompt is left alone; what the contrast does not hear.

    Raises:
        SettingsError: a value that is not allowed; ``changes[0]: ...`` says in which change.
        SettingsTypeError: a type that is not allowed.

    Example:
        >>> louder = {"formula": "mass", "alpha": 0.5, "layers": "10-20"}
        >>> quieter = {"formula": "multiply", "alpha": -0.1, "keys": "first"}
        >>> Changes((louder, quieter), contrast=0.5)  # doctest: +SKIP
    """

    name: ClassVar[str] = "changes"
    summary: ClassVar[str] = "several changes of attention at once, and a contrast, as data"
    source: ClassVar[str] = "ours"

    changes: Iterable[Change | Mapping[str, Any]] = ()
    contrast: float = 0.0
    power: float = 0.0
    cut: float = 0.0
    rows: str = "last"
    seed: int = 0
    tokens: str = "audio"

    def __post_init__(self) -> None:
        super().__post_init__()
        object.__setattr__(self, "changes", read_changes(self.changes))
        object.__setattr__(self, "contrast", number("contrast", self.contrast))
        object.__setattr__(self, "power", number("power", self.power, 0, 100))
        object.__setattr__(self, "cut", number("cut", self.cut, 0, 1))
        object.__setattr__(self, "tokens", read_tokens(self.tokens))
        read_rows(self.rows, self.seed)

    def rule(self) -> Rule:
        """Return what the method does."""
        changes: tuple[Change, ...] = tuple(self.changes)  # type: ignore[arg-type]  # all are read
        beside = self.contrast != 0
        return Rule(
            (changes, unheard(self.tokens)) if beside else (changes,),
            combine=self.combined if beside else None,
            rows=read_rows(self.rows, self.seed),
            tokens=self.tokens,
        )

    def combined(self, logits: Tensor) -> Tensor:
        """Return the logits of the next token from both views', ``(2, ..., vocabulary)``."""
        return Contrast(self.contrast, self.power, self.cut).combined(logits)


def read_changes(value: object) -> tuple[Change, ...]:
    """Read changes as users write them.

    Raises:
        SettingsError: a value that is not allowed.
        SettingsTypeError: a type that is not allowed.
    """
    if isinstance(value, (str, bytes, Mapping, Change)) or not isinstance(value, Iterable):
        raise SettingsTypeError(f"changes must be a list of changes; got {value!r}")
    found = []
    for place, change in enumerate(value):
        try:
            found.append(read_change(change))
        except (SettingsError, SettingsTypeError) as error:
            raise type(error)(f"changes[{place}]: {error}") from error
    return tuple(found)


def read_change(value: object) -> Change:
    """Read one change: a mapping of the fields of :class:`Change`, or one; errors as there."""
    if isinstance(value, Change):
        value = {name: getattr(value, name) for name in _FIELDS}
    if not isinstance(value, Mapping):
        raise SettingsTypeError(f"it must be a mapping with {listed(_FIELDS)}; got {value!r}")
    unknown = [name for name in value if name not in _FIELDS]
    if unknown:
        hint = did_you_mean(unknown[0], _FIELDS)
        raise SettingsError(f"unknown field {unknown[0]!r}{hint}; allowed: {listed(_FIELDS)}")
    missing = [name for name in _NEEDED if name not in value]
    if missing:
        raise SettingsError(f"{missing[0]} is missing; it must have {listed(_NEEDED)}")
    one_of("formula", value["formula"], FORMULAS)
    gains, layers, heads = (value.get(name) for name in ("gains", "layers", "heads"))
    if gains is not None and (layers is not None or heads is not None):
        raise SettingsError(
            "gains cover all layers and heads: give either gains, or layers and heads"
        )
    return Change(
        formula=value["formula"],
        alpha=number("alpha", value["alpha"]),
        keys=read_keys(value.get("keys", "audio")),
        layers=read_layers(layers),
        heads=parse_indices("heads", heads),
        gains=None if gains is None else read_gains(gains, MAX_ALPHA),
    )
