"""What the intervention really did."""

from __future__ import annotations

from dataclasses import dataclass

from mata_audio.notation.layers import format_indices
from mata_audio.notation.tokens import in_words


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
        tokens: which tokens those in ``audio_tokens`` and ``negative_share`` are: ``"audio"``, or
            what the setting named.
    """

    forward_passes: int
    active_rows: int
    layers: tuple[int, ...]
    depth: int
    audio_tokens: tuple[int, ...]
    negative_share: float | None
    tokens: str = "audio"

    def __str__(self) -> str:
        kind = in_words(self.tokens)
        known = self.negative_share is not None
        share = f"{self.negative_share:.1%} of {kind} scores" if known else "-"
        layers = f"{format_indices(self.layers) or 'none'} ({len(self.layers)} of {self.depth})"
        rows = {
            "forward passes": f"{self.forward_passes:,}",
            "active rows": f"{self.active_rows:,}",
            "layers": layers,
            f"{kind} tokens": _audio_tokens(self.audio_tokens),
            "below zero": share,
        }
        width = max(len(name) for name in rows) + 1
        lines = [f"  {name:<{width}}{row}" for name, row in rows.items()]
        return "\n".join(["MATA receipt", *lines])


def _audio_tokens(counts: tuple[int, ...]) -> str:
    if len(counts) <= 8:
        return ", ".join(f"{count:,}" for count in counts) or "none"
    return f"{min(counts):,} to {max(counts):,} in each of {len(counts):,} samples"
