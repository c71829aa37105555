"""A small random model, and prompts for it, made without files from a hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn

# The vocabulary of every small model: text, then special tokens.
PAD, EOS, BOS = 0, 1, 2
TEXT = range(5, 96)
AUDIO, AUDIO_START, AUDIO_END, IMAGE, VIDEO, VISION_START, VISION_END = range(100, 107)
VOCABULARY = 128


class Sample(NamedTuple):
    """A prompt: its number of text tokens, and the number of tokens of each clip, image, video."""

    text: int
    clips: Sequence[int] = ()
    seed: int = 0
    images: Sequence[int] = ()
    videos: Sequence[int] = ()


class NoiseClip(NamedTuple):
    """A clip or picture of a batch: its number of tokens, and the seed of its noise."""

    tokens: int
    seed: int

    def noise(self, *shape: int) -> Tensor:
        """Return random features, the same whatever else is in the batch."""
        return torch.randn(*shape, generator=torch.Generator().manual_seed(self.seed))


Features = Callable[[list[NoiseClip]], dict[str, Any]]
"""From the clips (or pictures) of a batch, in order, to the model's arguments for them."""


class Pictures(NamedTuple):
    """How to give images or videos to a small model.

    Args:
        features: makes the model's arguments.
        tokens: a small and a large number of tokens that a picture can have; equal if the family
            has only one size.
    """

    features: Features
    tokens: tuple[int, int]


@dataclass(frozen=True)
class SmallModel:
    """A random model of a family's real class, with prompts about clips and pictures.

    Args:
        model_type: the family.
        model: the model as users hold it, in ``eval`` mode.
        features: makes the model's audio arguments; None if it takes no audio.
        clip_tokens: a small and a large number of audio tokens that a clip can have; equal if the
            family has only one length.
        audio_token_id: token id at audio positions.
        images, videos: how to give it these; None if it does not take them.
        types: the model's argument that marks the tokens of images (1) and videos (2); "" if it
            has none.
    """

    model_type: str
    model: nn.Module
    features: Features | None
    clip_tokens: tuple[int, int] = (5, 8)
    audio_token_id: int = AUDIO
    images: Pictures | None = None
    videos: Pictures | None = None
    types: str = ""

    @property
    def questions(self) -> list[Sample]:
        """Prompts of unequal lengths: with one clip, with two, and with none.

        With images instead of clips if the model takes no audio.
        """
        return self.questions_about(self.tokens[0])

    @property
    def tokens(self) -> tuple[str, ...]:
        """What prompts can be about: audio, images, videos."""
        kinds = {"audio": self.features, "image": self.images, "video": self.videos}
        return tuple(name for name, known in kinds.items() if known is not None)

    def questions_about(self, tokens: str) -> list[Sample]:
        """Return prompts like :attr:`questions`, about clips, images or videos."""
        if tokens == "audio":
            field, (few, many) = "clips", self.clip_tokens
        else:
            pictures = self.images if tokens == "image" else self.videos
            assert pictures is not None
            field, (few, many) = f"{tokens}s", pictures.tokens
        one, two = {field: [many]}, {field: [few, many]}
        return [Sample(6, seed=1, **one), Sample(11, seed=2, **two), Sample(8, seed=3)]

    def inputs(self, samples: Sequence[Sample], side: str = "left") -> dict[str, Any]:
        """Return the model's arguments for one batch, padded on ``side``."""
        rows = [self._ids(sample) for sample in samples]
        width = max(len(row) for row in rows)
        ids = torch.full((len(rows), width), PAD)
        mask = torch.zeros(len(rows), width, dtype=torch.long)
        for i, row in enumerate(rows):
            part = slice(width - len(row), width) if side == "left" else slice(len(row))
            ids[i, part], mask[i, part] = row, 1
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if self.types:
            inputs[self.types] = (ids == IMAGE).long() + 2 * (ids == VIDEO).long()
        for field, features in self._features:
            clips = [
                NoiseClip(tokens, 100 * sample.seed + i)
                for sample in samples
                for i, tokens in enumerate(getattr(sample, field))
            ]
            if clips:
                inputs |= features(clips)
        return inputs

    @property
    def _features(self) -> list[tuple[str, Features]]:
        known = [
            ("clips", self.features),
            ("images", self.images and self.images.features),
            ("videos", self.videos and self.videos.features),
        ]
        return [(field, features) for field, features in known if features is not None]

    def _ids(self, sample: Sample) -> Tensor:
        """Return the ids: text, each clip and picture between its marks, text."""
        random = torch.Generator().manual_seed(sample.seed)
        text = torch.randint(TEXT.start, TEXT.stop, (sample.text,), generator=random)
        parts = [
            torch.tensor([start, *[token] * tokens, end])
            for start, token, end, all_tokens in (
                (AUDIO_START, self.audio_token_id, AUDIO_END, sample.clips),
                (VISION_START, IMAGE, VISION_END, sample.images),
                (VISION_START, VIDEO, VISION_END, sample.videos),
            )
            for tokens in all_tokens
        ]
        return torch.cat([text[:2], *parts, text[2:]])


def built(model_class: Any, config: Any) -> Any:
    """Build a random model, always with the same weights, ready for inference."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model_class(config).eval()
