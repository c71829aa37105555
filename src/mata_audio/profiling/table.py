"""An attention profile as text: for each setting a table, with the baseline next to it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mata_audio.profiling import Profile

BASELINE = "baseline"


def text(profile: Profile) -> str:
    """Return the profile as tables: one for each setting, with the baseline next to it."""
    facts = profile.facts
    tokens = ", ".join(
        f"{kind} {count:.1f}"
        for kind, count in zip(profile.kinds, profile.tokens, strict=True)
        if count
    )
    generated = f" and up to {facts['new_tokens']} generated" if facts["new_tokens"] else ""
    parts = [
        f"{facts['model']} on {facts['task']} {facts['split']}: {profile.items:,} items\n"
        f"tokens of a prompt, on average: {tokens}\n"
        f"attention of the last prompt token{generated}, mean over heads and items, in %"
    ]
    steered = [name for name in profile.attention if name != BASELINE]
    parts += [_table(profile, [BASELINE, name]) for name in steered]
    if not steered:
        parts.append(_table(profile, [BASELINE]))
    parts.append(
        "imbalance: attention per audio token over attention per word of instruction and system "
        "prompt\nA < 0: share of the raw audio scores below zero; multiply lowers attention to "
        "these, in %"
    )
    return "\n\n".join(parts)


def _table(profile: Profile, names: Sequence[str]) -> str:
    kinds = _shown(profile)
    columns = [*kinds, "imbalance", "A < 0"]
    width = 12 // len(names)
    lines = [
        ", ".join(_named(profile, name) for name in names),
        f"{'layer':<6}" + "".join(f"{name:>12}" for name in columns),
    ]
    if len(names) > 1:
        lines.append(" " * 6 + f"{'off':>{width}}{'on':>{width}}" * len(columns))
    for layer in range(profile.layers):
        together = zip(*(_cells(profile, name, layer, kinds) for name in names), strict=True)
        cells = [cell for pair in together for cell in pair]
        lines.append(f"{layer:>5} " + "".join(f"{cell:>{width}}" for cell in cells))
    return "\n".join(lines)


def _named(profile: Profile, name: str) -> str:
    """Return what a column shows: "off" is the baseline, "on" is the setting."""
    from mata_audio.methods.method import method_from
    from mata_audio.settings.in_words import describe

    setting = profile.attention[name].setting
    if setting is None:
        return f"off: {name}" if len(profile.attention) > 1 else name
    return f"on: {name} ({describe(method_from(setting, name), profile.layers, profile.heads)})"


def _shown(profile: Profile) -> list[str]:
    """Return the kinds that receive any attention, in the table's order."""
    order = ("audio", "image", "instruction", "system", "generated", "special", "sink")
    return [
        kind
        for kind in order
        if any(own.of(kind, profile.kinds).any() for own in profile.attention.values())
    ]


def _cells(profile: Profile, name: str, layer: int, shown: Sequence[str]) -> list[str]:
    own = profile.attention[name]
    masses = [f"{100 * own.of(kind, profile.kinds)[layer]:.1f}" for kind in shown]
    imbalance = own.imbalance[layer]
    return [
        *masses,
        "-" if math.isnan(imbalance) else f"{imbalance:.2f}",
        f"{100 * own.negative_share[layer].mean():.1f}",
    ]
