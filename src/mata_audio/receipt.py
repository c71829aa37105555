"""What the intervention really did."""

from __future__ import annotations

from dataclasses import dataclass

from mata_audio.layers import format_indices


@dataclass(frozen=True)
class Receipt:
    """An account of one ``with mata(model)`` block, or of an attachment so far.

    Args:
        forward_passes: of the model.
        active_rows: query rows whose attention was changed, over all passes and samples with audio.
        layers: the decoder layers that were steered.
        depth: number of decoder layers of the model.
        audio_tokens: for each sample seen, in order, its number of audio tokens.
        negative_share: share of raw audio scores below zero, over steered layers and heads, in the
            active rows of the passes that read a prompt; None when there were none. ``multiply``
            lowers attention to these.
    """

    forward_passes: int
    active_rows: int
    layers: tuple[int, ...]
    depth: int
    audio_tokens: tuple[int, ...]
    negative_share: float | None

    def __str__(self) -> str:
        share = "-" if self.negative_share is None else f"{self.negative_share:.1%} of audio scores"
        layers = f"{format_indices(self.layers) or 'none'} ({len(self.layers)} of {self.depth})"
        rows = {
            "forward passes": f"{self.forward_passes:,}",
            "active rows": f"{self.active_rows:,}",
            "layers": layers,
            "audio tokens": _audio_tokens(self.audio_tokens),
            "below zero": share,
        }
        return "\n".join(["MATA receipt", *(f"  {name:<15}{row}" for name, row in rows.items())])


def _audio_tokens(counts: tuple[int, ...]) -> str:
    if len(counts) <= 8:
        return ", ".join(f"{count:,}" for count in counts) or "none"
    return f"{min(counts):,} to {max(counts):,} in each of {len(counts):,} samples"
