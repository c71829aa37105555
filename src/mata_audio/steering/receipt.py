"""What the intervention really did: the account that users print."""

from __future__ import annotations

from dataclasses import dataclass, replace

from mata_audio.notation.layers import format_indices
from mata_audio.notation.tokens import in_words
from mata_audio.shown.one_line import OneLine, described, short
from mata_audio.steering.listening import Listening


@dataclass(frozen=True)
class Receipt(OneLine):
    """An account of one ``with mata(model)`` block, or of an attachment so far.

    Args:
        forward_passes: number of forward passes of the model, with those that only look before a
            method sets its strength.
        active_rows: number of query rows whose attention was changed, over all passes and samples.
        layers: the decoder layers that were steered.
        depth: number of decoder layers of the model.
        audio_tokens: for each sample seen, in order, its number of audio tokens.
        listening: how the active rows listened in the passes that read a prompt.
        tokens: kind of the tokens that are counted here as audio: ``"audio"``, or what the setting
            named.
    """

    forward_passes: int
    active_rows: int
    layers: tuple[int, ...]
    depth: int
    audio_tokens: tuple[int, ...]
    listening: Listening
    tokens: str = "audio"

    @property
    def negative_share(self) -> float | None:
        """Share of the raw audio scores below zero; None when there were none."""
        return self.listening.negative_share

    @property
    def mass_before(self) -> float | None:
        """Mean share of attention on audio without any change; None when no row was changed."""
        return self.listening.mass_before

    @property
    def mass_after(self) -> float | None:
        """The same with the change. ``mass`` and ``value`` may bring it above 1."""
        return self.listening.mass_after

    def __add__(self, later: Receipt) -> Receipt:
        """Return one account of two stretches of work under the same setting on the same model."""
        return replace(
            self,
            forward_passes=self.forward_passes + later.forward_passes,
            active_rows=self.active_rows + later.active_rows,
            audio_tokens=self.audio_tokens + later.audio_tokens,
            listening=self.listening + later.listening,
        )

    def __repr__(self) -> str:
        layers = short(format_indices(self.layers)) or "none"
        passes = f"{self.forward_passes:,} passes, {self.active_rows:,} active rows"
        before, after = self.mass_before, self.mass_after
        mass = "" if before is None else f", {self.tokens} mass {before:.1%}, then {after:.1%}"
        return described(f"Receipt: {passes}, layers {layers} of {self.depth}{mass}")

    def __str__(self) -> str:
        kind = in_words(self.tokens)
        below = self.negative_share
        share = "-" if below is None else f"{below:.1%} of {kind} scores"
        before, after = self.mass_before, self.mass_after
        mass = "-" if before is None else f"{before:.1%} of attention before, {after:.1%} after"
        layers = f"{format_indices(self.layers) or 'none'} ({len(self.layers)} of {self.depth})"
        rows = {
            "forward passes": f"{self.forward_passes:,}",
            "active rows": f"{self.active_rows:,}",
            "layers": layers,
            f"{kind} tokens": _audio_tokens(self.audio_tokens),
            f"{kind} mass": mass,
            "below zero": share,
        }
        width = max(len(name) for name in rows) + 1
        lines = [f"  {name:<{width}}{row}" for name, row in rows.items()]
        return "\n".join(["MATA receipt", *lines])


def _audio_tokens(counts: tuple[int, ...]) -> str:
    if len(counts) <= 8:
        return ", ".join(f"{count:,}" for count in counts) or "none"
    return f"{min(counts):,} to {max(counts):,} in each of {len(counts):,} samples"
