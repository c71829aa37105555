"""Pixels for images and videos with a given number of tokens."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn.utils.rnn import pad_sequence

from mata_audio.doctor.small_models.small_model import Features, NoiseClip
from mata_audio.families.versions import gemma4_lists_frames

PATCH, FRAMES, MERGED = 4, 2, 2
"""Side of a patch in pixels, frames of a patch, and side of a token in patches."""


def whole_images(size: int, *, sizes: bool = False) -> Features:
    """Return a function that makes square images, all with the same number of tokens.

    Args:
        size: side in pixels.
        sizes: whether the model takes the sizes, and each image twice: whole, as the first tile,
            and as the only tile that it is cut into.
    """

    def features(clips: list[NoiseClip]) -> dict[str, Tensor]:
        shape = (2, 3, size, size) if sizes else (3, size, size)
        made = {"pixel_values": torch.stack([clip.noise(*shape) for clip in clips])}
        if sizes:
            made["image_sizes"] = torch.tensor([[size, size]] * len(clips))
        return made

    return features


def whole_videos(size: int, frames: int) -> Features:
    """Return a function that makes square videos, all with the same number of tokens."""

    def features(clips: list[NoiseClip]) -> dict[str, Tensor]:
        return {"pixel_values_videos": torch.stack([c.noise(frames, 3, size, size) for c in clips])}

    return features


def patches(kind: str, *, steps: int = 1, seconds: str = "", patch: int = PATCH) -> Features:
    """Return a function that makes Qwen's patches: a picture one token high, as wide as needed.

    Args:
        kind: "image" or "video".
        steps: steps in time; must divide the number of tokens.
        seconds: the model's argument for the seconds of a step; "" if it has none.
        patch: side of a patch in pixels.
    """
    pixels = "pixel_values" if kind == "image" else "pixel_values_videos"

    def features(clips: list[NoiseClip]) -> dict[str, Tensor]:
        grids = [[steps, MERGED, MERGED * clip.tokens // steps] for clip in clips]
        rows = [clip.noise(MERGED**2 * clip.tokens, 3 * FRAMES * patch**2) for clip in clips]
        made = {pixels: torch.cat(rows), f"{kind}_grid_thw": torch.tensor(grids)}
        if seconds:
            made[seconds] = torch.ones(len(clips))
        return made

    return features


def placed_patches(kind: str) -> Features:
    """Return a function that makes Gemma 4's patches with their places; four make one token.

    A video is a single frame.
    """
    pixels = "pixel_values" if kind == "image" else "pixel_values_videos"

    def features(clips: list[NoiseClip]) -> dict[str, Tensor]:
        noise = [clip.noise(MERGED**2 * clip.tokens, 3 * PATCH**2) for clip in clips]
        values = pad_sequence(noise, batch_first=True)
        grids = [
            torch.cartesian_prod(torch.arange(MERGED), torch.arange(MERGED * clip.tokens)).flip(1)
            for clip in clips
        ]
        places = pad_sequence(grids, batch_first=True, padding_value=-1)
        if kind == "image":
            return {pixels: values, "image_position_ids": places}
        if not gemma4_lists_frames():
            return {pixels: values[:, None], "video_position_ids": places[:, None]}
        frames = torch.ones(len(clips), dtype=torch.long)
        return {pixels: values, "video_position_ids": places, "num_frames_per_video": frames}

    return features
