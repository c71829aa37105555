"""A model under test, its inputs, and the logits that the reference expects of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor

import models
from reference import Layout, Steering, double, reference_logits


@dataclass(frozen=True)
class Subject:
    """A model under test, its processor and its audio token."""

    model: Any
    processor: Any
    audio_token_id: int

    @property
    def never(self) -> list[int]:
        """Special tokens: a random model would end at once or answer with audio tokens."""
        return list(range(256, len(self.processor.tokenizer)))

    @property
    def layout(self) -> Layout:
        """Where the reference looks."""
        return Layout(counts_positions="Omni" in type(self.model).__name__)

    def expected(self, inputs: dict[str, Tensor], steering: Steering, **more: Any) -> Tensor:
        """Logits by the reference, of a float64 copy of the model as it is now."""
        own = {"layout": self.layout, "audio_token_id": self.audio_token_id}
        return reference_logits(double(self.model, self.layout), inputs, steering, **own, **more)

    def inputs(
        self, texts: list[tuple[str, list[float]]], side: str = "left", seed: int = 0
    ) -> dict[str, Tensor]:
        """Process (question, clip lengths in seconds) pairs into one padded batch."""
        seconds = [length for _, clips in texts for length in clips]
        return dict(
            self.processor(
                text=[models.prompt(text, len(clips)) for text, clips in texts],
                audio=models.clips(seconds, seed) if seconds else None,
                padding=True,
                padding_side=side,
                return_tensors="pt",
            )
        )
