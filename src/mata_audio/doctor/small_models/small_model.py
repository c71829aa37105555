"""A small random model, and prompts for it, made without files from a hub."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn.utils.rnn import pad_sequence

from mata_audio.doctor.small_models import vocabulary


class Sample(NamedTuple):
    """A prompt: its number of text tokens, and the number of tokens of each clip, image, video."""

    text: int
    clips: Sequence[int] = ()
    seed: int = 0
    images: Sequence[int] = ()
    videos: Sequence[int] = ()


# The field of a sample that holds each kind of token.
_FIELDS = {"audio": "clips", "image": "images", "video": "videos"}


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
    """How to give images or videos (or clips) to a small model.

    Attributes:
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
        images: how to give it these; None if it does not take them.
        videos: the same for videos.
        types: the model's argument that marks the tokens of images (1) and videos (2); "" if it
            has none.
    """

    model_type: str
    model: nn.Module
    features: Features | None
    clip_tokens: tuple[int, int] = (5, 8)
    audio_token_id: int = vocabulary.AUDIO
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
        return tuple(self._kinds)

    def questions_about(self, tokens: str) -> list[Sample]:
        """Return prompts like :attr:`questions`, about clips, images or videos."""
        few, many = self._kinds[tokens].tokens
        one, two = {_FIELDS[tokens]: [many]}, {_FIELDS[tokens]: [few, many]}
        return [Sample(6, seed=1, **one), Sample(11, seed=2, **two), Sample(8, seed=3)]

    def inputs(self, samples: Sequence[Sample], side: str = "left") -> dict[str, Any]:
        """Return the model's arguments for one batch, padded on ``side``."""
        rows = [self._ids(sample) for sample in samples]
        ids = pad_sequence(rows, batch_first=True, padding_value=vocabulary.PAD, padding_side=side)
        mask = pad_sequence(
            [torch.ones_like(row) for row in rows], batch_first=True, padding_side=side
        )
        inputs: dict[str, Any] = {"input_ids": ids, "attention_mask": mask}
        if self.types:
            images, videos = ids == vocabulary.IMAGE, ids == vocabulary.VIDEO
            inputs[self.types] = images.long() + 2 * videos.long()
        for name, kind in self._kinds.items():
            clips = [
                NoiseClip(tokens, 100 * sample.seed + i)
                for sample in samples
                for i, tokens in enumerate(getattr(sample, _FIELDS[name]))
            ]
            if clips:
                inputs |= kind.features(clips)
        return inputs

    @property
    def _kinds(self) -> dict[str, Pictures]:
        """What the model takes: audio, images, videos."""
        clips = self.features and Pictures(self.features, self.clip_tokens)
        kinds = {"audio": clips, "image": self.images, "video": self.videos}
        return {name: kind for name, kind in kinds.items() if kind is not None}

    def _ids(self, sample: Sample) -> Tensor:
        """Return the ids: text, each clip and picture between its marks, text."""
        random = torch.Generator().manual_seed(sample.seed)
        low, high = vocabulary.TEXT.start, vocabulary.TEXT.stop
        text = torch.randint(low, high, (sample.text,), generator=random)
        parts = [
            torch.tensor([start, *[token] * tokens, end])
            for start, token, end, all_tokens in (
                (vocabulary.AUDIO_START, self.audio_token_id, vocabulary.AUDIO_END, sample.clips),
                (vocabulary.VISION_START, vocabulary.IMAGE, vocabulary.VISION_END, sample.images),
                (vocabulary.VISION_START, vocabulary.VIDEO, vocabulary.VISION_END, sample.videos),
            )
            for tokens in all_tokens
        ]
        return torch.cat([text[:2], *parts, text[2:]])


def built(model_class: Any, config: Any) -> Any:
    """Build a random model, always with the same weights, ready for inference."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return model_class(config).eval()


def hearing(
    model_class: Any, audio_config: dict[str, Any], text_config: dict[str, Any], **more: Any
) -> Any:
    """Build a random model of an encoder and a decoder; ``more`` is the rest of its config."""
    parts = {"audio_config": audio_config, "text_config": text_config}
    config = model_class.config_class(**parts, audio_token_id=vocabulary.AUDIO, **more)
    return built(model_class, config)
