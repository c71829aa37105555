"""A model under test, with what is needed to feed it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from torch import Tensor, nn

import models


@dataclass(frozen=True)
class Subject:
    """A model under test, its processor and its audio token."""

    model: nn.Module
    processor: Any
    audio_token_id: int

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
