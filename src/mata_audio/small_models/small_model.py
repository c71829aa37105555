"""What a small model is, and how prompts for it are made without files from a hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NamedTuple

import torch
from torch import Tensor, nn

if TYPE_CHECKING:
    from mata_audio.small_models.processing import Processing

# The vocabulary of every small model: text, then special tokens.
PAD, EOS, BOS = 0, 1, 2
TEXT = range(5, 96)
AUDIO, AUDIO_START, AUDIO_END, IMAGE, VIDEO, VISION_START, VISION_END = range(100, 107)
VOCABULARY = 128


class Sample(NamedTuple):
    """A prompt: how many text tokens it has, and how many audio tokens each of its clips."""

    text: int
    clips: Sequence[int] = ()
    seed: int = 0


class Clip(NamedTuple):
    """A clip of a batch: how many audio tokens it has, and what its noise starts from."""

    tokens: int
    seed: int

    def noise(self, *shape: int) -> Tensor:
        """Return random features, the same whatever else is in the batch."""
        return torch.randn(*shape, generator=torch.Generator().manual_seed(self.seed))


Features = Callable[[list[Clip]], dict[str, Any]]
"""The clips of a batch, in order, to the audio arguments of the model."""


@dataclass(frozen=True)
class SmallModel:
    """A random model of a family's real class, and a way of asking it about clips.

    Args:
        model_type: the family.
        model: as users hold it, in ``eval`` mode.
        features: makes the model's audio arguments.
        clip_tokens: a small and a large number of audio tokens that a clip can have; the same
            twice where the family knows one length alone.
        audio_token_id: token id at audio positions.
    """

    model_type: str
    model: nn.Module
    features: Features
    clip_tokens: tuple[int, int] = (5, 8)
    audio_token_id: int = AUDIO

    @property
    def processing(self) -> Processing | None:
        """The family's real processor, built anew; None where that needs more than Transformers.

        :meth:`inputs` makes token ids and features without one.
        """
        from mata_audio.small_models.processing import PROCESSINGS

        build = PROCESSINGS.get(self.model_type)
        return None if build is None else build()

    @property
    def questions(self) -> list[Sample]:
        """Prompts of unequal lengths: with one clip, with two, and without audio."""
        few, many = self.clip_tokens
        return [Sample(6, [many], seed=1), Sample(11, [few, many], seed=2), Sample(8, seed=3)]

    def inputs(self, samples: Sequence[Sample], side: str = "left") -> dict[str, Any]:
        """Return the arguments of the model for one batch, padded on the ``side`` given."""
        rows = [self._ids(sample) for sample in samples]
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), PAD)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for i, row in enumerate(rows):
            part = slice(width - len(row), width) if side == "left" else slice(len(row))
            ids[i, part], mask[i, part] = row, 1
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        clips = [
            Clip(tokens, 100 * sample.seed + i)
            for sample in samples
            for i, tokens in enumerate(sample.clips)
        ]
        return inputs | (self.features(clips) if clips else {})

    def _ids(self, sample: Sample) -> Tensor:
        """Text, each clip between its marks, text."""
        random = torch.Generator().manual_seed(sample.seed)
        text = torch.randint(TEXT.start, TEXT.stop, (sample.text,), generator=random)
        clips = [
            torch.tensor([AUDIO_START, *[self.audio_token_id] * tokens, AUDIO_END])
            for tokens in sample.clips
        ]
        return torch.cat([text[:2], *clips, text[2:]])


def built(model_class: Any, config: Any, seed: int = 0) -> Any:
    """Build a random model from a fixed seed, ready for inference."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        return model_class(config).eval()
