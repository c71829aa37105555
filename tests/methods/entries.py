"""Every method, and its published formula written out again: one entry a method.

An entry says what the method does to attention in the words of ``tests/reference.py``, and what it
makes of logits. It is written from the formula, and shares no code with the product.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from mata_audio.methods import (
    AAD,
    CAAC,
    GACL,
    MATA,
    PAI,
    TCD,
    VAF,
    VCD,
    AdaptVis,
    Changes,
    Contrast,
    Mass,
    Method,
    Value,
)
from reference import Steering

LAYERS = range(4)
"""All layers of the small models."""

TABLE = [[0.0] * 4, [0.3, -0.2, 0.5, 0.0], [0.0, 0.4, 0.1, -0.3], [0.0] * 4]


@dataclass(frozen=True)
class Entry:
    """A method under test.

    Args:
        method: a setting that has an effect on the small models.
        neutral: settings that change nothing.
        published: its default values, as they were published.
        layers_of_32: the layers that it changes in a decoder of 32, by default; None for those of
            MATA, which is tested elsewhere.
        changes: what ``method`` does to attention in its first view, with the kind of the keys.
        rows: which prompt rows it changes.
        mixed: from the method, the logits of its first view and those of what it is compared with,
            all in float64, to the next token's logits.
        others: second prompts that it is compared with; without any, a view in which audio is out
            of reach.
        share_of: of how many last layers ``mixed`` is given the share of attention on audio.
        factor: from the method and the logits of the unsteered row to the factor of raw scores;
            ``changes`` then have alpha 1.
        each_step: whether every row has a factor of its own; else only the prompt's last has one.
    """

    method: Method
    neutral: Sequence[Method]
    published: Mapping[str, Any]
    layers_of_32: range | None = None
    changes: Sequence[tuple[Steering, str]] = ()
    rows: str = "last"
    mixed: Callable[..., Tensor] | None = None
    others: Sequence[str] = ()
    share_of: int = 0
    factor: Callable[[Any, Tensor], Tensor] | None = None
    each_step: bool = False


def ruled_out(logits: Tensor, by: Tensor, cut: float) -> Tensor:
    """Minus infinity where a token's probability is below cut times the greatest."""
    if cut == 0:
        return logits
    log_p = by.log_softmax(-1)
    least = math.log(cut) + log_p.max(-1, keepdim=True).values
    return torch.where(log_p < least, -torch.inf, logits)


def contrast(method: Contrast, z: Tensor, z0: Tensor) -> Tensor:
    """F + alpha c^power (F - W), c the greatest probability in W."""
    sure = z0.softmax(-1).max(-1, keepdim=True).values
    return ruled_out(z + method.alpha * sure**method.power * (z - z0), z, method.cut)


def aad(method: AAD, z: Tensor, z0: Tensor) -> Tensor:
    """(1 + a) z - a z0, whole vocabulary."""
    return (1 + method.alpha) * z - method.alpha * z0


def pai(method: PAI, z: Tensor, z0: Tensor) -> Tensor:
    """gamma (lp - lp0) + lp0, both log-softmax first; then the cut, from lp."""
    lp, lp0 = z.log_softmax(-1), z0.log_softmax(-1)
    return ruled_out(method.gamma * (lp - lp0) + lp0, z, method.cut)


def changes_contrast(method: Changes, z: Tensor, z0: Tensor) -> Tensor:
    return contrast(Contrast(method.contrast, method.power, method.cut), z, z0)


def vcd(method: VCD, z: Tensor, noisy: Tensor) -> Tensor:
    """(1 + a) z - a z_noisy; ruled out where z < log(beta) + max z."""
    mixed = (1 + method.alpha) * z - method.alpha * noisy
    least = math.log(method.cut) + z.max(-1, keepdim=True).values
    return torch.where(z < least, -torch.inf, mixed)


def gacl(method: GACL, z: Tensor, reference: Tensor) -> Tensor:
    """Row by row: s_J + a (s_A - s_J), a = clip(lambda R N, 0, 1)."""
    mixed = []
    for joint, other in zip(z.flatten(0, -2), reference.flatten(0, -2), strict=True):
        s_joint, s_other = joint.log_softmax(-1), other.log_softmax(-1)
        first, second = sorted(s_other.tolist(), reverse=True)[:2]
        sure = min(max((first - second) / method.tau, 0.0), 1.0)
        differ = float(int(joint.argmax()) != int(other.argmax()))
        weight = min(max(method.strength * sure * differ, 0.0), 1.0)
        mixed.append((1 - weight) * s_joint + weight * s_other)
    return torch.stack(mixed).view_as(z)


def tcd(method: TCD, z: Tensor, slow: Tensor, share: Tensor) -> Tensor:
    """Row by row: z + lambda min(gamma r H^a, 1) max(z - z~, 0), top 16 of z and top 8 of z~."""
    mixed = []
    rows = zip(z.flatten(0, -2), slow.flatten(0, -2), share.flatten().tolist(), strict=True)
    for clear, blurred, r in rows:
        log_p = torch.tensor(
            sorted(clear.tolist(), reverse=True)[:5], dtype=torch.float64
        ).log_softmax(-1)
        entropy = -sum(math.exp(one) * one for one in log_p.tolist()) / math.log(5)
        gate = min(method.gamma * r * max(entropy, 0.0) ** method.power, 1.0)
        chosen = set(clear.argsort(descending=True)[:16].tolist())
        chosen |= set(blurred.argsort(descending=True)[:8].tolist())
        more = [
            max(float(clear[token] - blurred[token]), 0.0) if token in chosen else 0.0
            for token in range(len(clear))
        ]
        mixed.append(clear + method.strength * gate * torch.tensor(more, dtype=torch.float64))
    return torch.stack(mixed).view_as(z)


def adapt_vis(method: AdaptVis, z: Tensor) -> Tensor:
    """w1 where the greatest probability, rounded to two decimals, is below the threshold."""
    p = torch.tensor([round(float(row.softmax(-1).max()), 2) for row in z])
    return torch.tensor([method.w1 if one < method.threshold else method.w2 for one in p.tolist()])


def caac(method: CAAC, z: Tensor) -> Tensor:
    """max(1, p 1.0 + (1 - p) most) where p is at most the threshold, else 1."""
    factors = []
    for row in z:
        p = float(row.softmax(-1).max())
        unsure = p <= method.threshold
        factors.append(max(1.0, p * 1.0 + (1 - p) * method.most) if unsure else 1.0)
    return torch.tensor(factors, dtype=torch.float64)


ENTRIES = (
    Entry(
        MATA(0.7, "1-2"),
        [MATA(0)],
        {"alpha": 0.1, "formula": "multiply", "layers": None, "rows": "last"},
        changes=[(Steering([1, 2], 0.7), "audio")],
    ),
    Entry(
        Mass(0.7, "1-2", heads=[1, 2]),
        [Mass(0), Mass(0, clipped=True)],
        {"alpha": 1.0, "rows": "last"},
        changes=[(Steering([1, 2], 0.7, "mass", [1, 2]), "audio")],
    ),
    Entry(
        Value(0.7, "1-2"),
        [Value(0)],
        {"alpha": 1.0, "rows": "last"},
        changes=[(Steering([1, 2], 0.7, "value"), "audio")],
    ),
    Entry(
        Contrast(0.8, 0.5, 0.2),
        [Contrast(0)],
        {"alpha": 2.0, "power": 2.0, "cut": 0.1},
        mixed=contrast,
    ),
    Entry(AAD(0.7), [AAD(0)], {"alpha": 0.5}, mixed=aad),
    Entry(AAD(0.7, view="silence"), [AAD(0)], {"alpha": 0.5}, mixed=aad, others=["silence"]),
    Entry(
        VCD(0.7, 0.3),
        [VCD(0)],
        {"alpha": 1.0, "cut": 0.1},
        mixed=vcd,
        others=["noise"],
    ),
    Entry(
        GACL(0.8, 0.4),
        [GACL(0)],
        {"strength": 1.0, "tau": 0.5},
        mixed=gacl,
        others=["reference"],
    ),
    Entry(
        TCD(0.9, 1.5, 0.5),
        [TCD(0)],
        {"gamma": 2.0, "power": 0.5},
        mixed=tcd,
        others=["blur"],
        share_of=4,
    ),
    Entry(
        PAI(0.4, 1.5, 0.2, "1-2"),
        [PAI(0, 1.0)],
        {"alpha": 0.2, "gamma": 1.1, "cut": 0.1},
        range(2, 32),
        changes=[(Steering([1, 2], 0.4, "absolute"), "audio")],
        mixed=pai,
    ),
    Entry(
        PAI(0.4, 1.5, 0.2, "1-2", view="no-audio"),
        [PAI(0, 1.0)],
        {"alpha": 0.2, "gamma": 1.1, "cut": 0.1},
        range(2, 32),
        changes=[(Steering([1, 2], 0.4, "absolute"), "audio")],
        mixed=pai,
        others=["no-audio"],
    ),
    Entry(
        VAF(1.9, 0.4),  # layers 9-14 of 32 are layer 1 of 4
        [VAF(1, 1)],
        {"enhance": 1.15, "suppress": 0.95},
        range(9, 15),
        changes=[(Steering([1], 0.9), "audio"), (Steering([1], -0.6), "before-audio")],
        rows="after-audio",
    ),
    Entry(
        AdaptVis(0.5, 1.5, 0.045),
        [AdaptVis(1, 1)],
        {"w1": 0.5, "w2": 1.5, "threshold": 0.4},
        range(32),
        changes=[(Steering(LAYERS, 1.0), "audio")],
        factor=adapt_vis,
    ),
    Entry(
        CAAC(1.5, 0.045),
        [CAAC(1)],
        {"most": 1.5, "threshold": 0.25},
        range(32),
        changes=[(Steering(LAYERS, 1.0), "audio")],
        factor=caac,
        each_step=True,
    ),
    Entry(
        Changes(
            [
                {"formula": "mass", "alpha": 0.6, "layers": "1-2"},
                {"formula": "multiply", "alpha": -0.3, "keys": "before-audio", "layers": "all"},
                {"formula": "absolute", "alpha": 0.4, "keys": "first", "layers": [3], "heads": [1]},
            ],
            contrast=0.5,
            power=0.5,
            cut=0.2,
        ),
        [
            Changes(),
            Changes([{"formula": formula, "alpha": 0} for formula in ("mass", "multiply")]),
            Changes([{"formula": "value", "alpha": 1, "gains": [[0.0] * 4] * 4}], rows="all"),
        ],
        {"changes": (), "contrast": 0.0, "power": 0.0, "cut": 0.0},
        changes=[
            (Steering([1, 2], 0.6, "mass"), "audio"),
            (Steering(LAYERS, -0.3), "before-audio"),
            (Steering([3], 0.4, "absolute", [1]), "first"),
        ],
        mixed=changes_contrast,
    ),
    Entry(
        Changes(
            [
                {"formula": "multiply", "alpha": 0.6, "layers": [1]},
                {"formula": "value", "alpha": 2, "keys": "first", "gains": TABLE},
                {"formula": "mass", "alpha": 0.5, "layers": "all"},
            ],
            rows="after-audio",
        ),
        [Changes(rows="after-audio")],
        {"rows": "last", "seed": 0, "tokens": "audio"},
        changes=[
            (Steering([1], 0.6), "audio"),
            (Steering(LAYERS, 2 * torch.tensor(TABLE), "value"), "first"),
            (Steering(LAYERS, 0.5, "mass"), "audio"),
        ],
        rows="after-audio",
    ),
)


def each(chosen: Callable[[Entry], bool] = lambda entry: True) -> dict[str, Any]:
    """Arguments of ``parametrize``: entries by the name of their method."""
    entries = [entry for entry in ENTRIES if chosen(entry)]
    return {
        "argnames": "entry",
        "argvalues": entries,
        "ids": [entry.method.name for entry in entries],
    }
