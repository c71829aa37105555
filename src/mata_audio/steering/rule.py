"""What a method does, as data: what is changed in each view, and how the views become one."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mata_audio.notation.gains import GainTable
from mata_audio.notation.rows import LAST, PromptRows
from mata_audio.shown.one_line import OneLine

if TYPE_CHECKING:
    from torch import Tensor

Combine = Callable[..., "Tensor"]
"""From the logits of the views, shape ``(views, ..., vocabulary)``, to those of the next token.

If a rule has ``share_of``, the second argument is the share of attention on audio in the last
layers, shape ``(...)``.
"""


@dataclass(frozen=True)
class Change(OneLine):
    """One change of attention.

    Args:
        formula: one of :data:`mata_audio.steering.formulas.FORMULAS`.
        alpha: strength; 0 changes nothing.
        keys: kind of the changed keys, as :func:`mata_audio.notation.keys.read_keys` returns it.
        layers: decoder layers, as :func:`mata_audio.notation.layers.read_layers` returns them; None
            for the paper's.
        heads: query heads, as :func:`mata_audio.notation.layers.parse_indices` returns them; None
            for all.
        gains: a strength for each layer and head instead; all are multiplied by alpha.
    """

    formula: str
    alpha: float
    keys: str = "audio"
    layers: Any = None
    heads: Any = None
    gains: GainTable | None = None


def unheard(tokens: str) -> tuple[Change, ...]:
    """Return the view in which these tokens are not attended to: their mass goes to other keys."""
    return (Change("mass", -1.0, tokens, layers="all"),)


UNHEARD = unheard("audio")
"""Nothing of the audio is attended to: all of its mass goes to the other keys."""


@dataclass(frozen=True)
class FirstLook:
    """Reading the last rows unsteered first, to set the strength by what the model says then.

    Args:
        strength: from the next token's logits in the first view, shape ``(batch, vocabulary)``, to
            a factor of all gains in all views, shape ``(batch,)``.
        each_step: look before every token; else only at the prompt's last row, and the rows of the
            answer stay as they are.
    """

    strength: Callable[[Tensor], Tensor]
    each_step: bool = False


@dataclass(frozen=True)
class Rule:
    """What a method does.

    Args:
        views: what is changed in each view of a prompt. The first is the model as it listens;
            others serve to be compared with. Without ``combine`` there is one.
        combine: makes the logits of the views into those that the next token is chosen from.
        others: names of second prompts that are answered beside; ``combine`` is given their logits
            after those of the views.
        share_of: number of last layers whose share of attention on audio ``combine`` is given.
        rows: which query rows of the prompt are changed, in addition to all later ones.
        look: sets the strength.
        tokens: kinds of tokens without which a prompt is left alone, as
            :func:`mata_audio.notation.tokens.read_tokens` returns them.
    """

    views: tuple[tuple[Change, ...], ...]
    combine: Combine | None = None
    others: tuple[str, ...] = ()
    share_of: int = 0
    rows: PromptRows = LAST
    look: FirstLook | None = None
    tokens: str = "audio"
