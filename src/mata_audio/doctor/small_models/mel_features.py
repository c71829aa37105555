"""Mel spectrograms for clips with a given number of audio tokens."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import Tensor

from mata_audio.doctor.small_models.configs import MELS
from mata_audio.doctor.small_models.small_model import Features, NoiseClip


def mel_features(
    frames: Callable[[int], int],
    *,
    width: int | None = None,
    mels: int = MELS,
    names: tuple[str, str] = ("input_features", "input_features_mask"),
    time_first: bool = False,
    bool_mask: bool = False,
) -> Features:
    """Return a function that makes padded mel features and their mask.

    Args:
        frames: from a clip's number of audio tokens to its number of mel frames.
        width: frames to which every clip is padded; None for the longest of the batch.
        mels: mel channels.
        names: the model's arguments for features and mask.
        time_first: features have shape (clips, frames, mels) instead of (clips, mels, frames).
        bool_mask: the mask holds bools instead of ints.
    """

    def features(clips: list[NoiseClip]) -> dict[str, Tensor]:
        lengths = [frames(clip.tokens) for clip in clips]
        padded = torch.zeros(len(clips), mels, width or max(lengths))
        mask = torch.zeros(len(clips), padded.shape[2], dtype=torch.long)
        for i, (clip, length) in enumerate(zip(clips, lengths, strict=True)):
            padded[i, :, :length], mask[i, :length] = clip.noise(mels, length), 1
        values = padded.transpose(1, 2).contiguous() if time_first else padded
        return {names[0]: values, names[1]: mask.bool() if bool_mask else mask}

    return features
