"""Second prompts that methods compare with: the same question about other audio, or about none."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor

from mata_audio.errors import SettingsError
from mata_audio.models.prompter import Clip, Prompter

SILENCE, NOISE, BLUR, NO_AUDIO = "silence", "noise", "blur", "no-audio"
OTHERS = (SILENCE, NOISE, BLUR, NO_AUDIO)
"""The second prompts that an evaluation can make; a caller may give others, of any name."""

NOISE_STEP = 500
"""Step of VCD's noise schedule, of 1,000 (its published setting)."""

BLUR_SECONDS = 0.02
"""Width of the Hann window that TCD's blur uses; its own is 8 to 30 ms, by the encoder."""


def other_inputs(
    name: str, prompter: Prompter, question: str, clips: Sequence[Clip], seed: int
) -> dict[str, Tensor]:
    """Return the model inputs of a second prompt, as a batch of one.

    Args:
        name: one of :data:`OTHERS`.
        prompter: of the model.
        question: of the prompt itself.
        clips: of the prompt itself, each of shape ``(samples,)``.
        seed: of the noise.

    Raises:
        SettingsError: no such prompt can be made.
    """
    if name == SILENCE:
        return prompter.inputs([question], [[np.zeros_like(clip) for clip in clips]])
    if name == BLUR:
        window = round(BLUR_SECONDS * prompter.limits.sampling_rate)
        return prompter.inputs([question], [[blurred(clip, window) for clip in clips]])
    if name == NO_AUDIO:
        return prompter.inputs([question], [[]])
    if name == NOISE:
        inputs = prompter.inputs([question], [list(clips)])
        generator = torch.Generator().manual_seed(seed)
        return {
            key: noisy(value, NOISE_STEP, generator) if value.is_floating_point() else value
            for key, value in inputs.items()
        }
    raise SettingsError(
        f"an evaluation cannot make the {name} prompt; it can make {', '.join(OTHERS)}. In a "
        "program of your own, give its inputs: method(model, others={...})"
    )


def blurred(clip: Clip, window: int) -> Clip:
    """Return a clip smoothed by a Hann window of ``window`` samples, as loud as before.

    As in TCD (arXiv 2604.15383, section 3.2): root mean square kept, edges reflected.
    """
    window += 1 - window % 2
    if len(clip) <= window:
        return clip
    hann = np.hanning(window + 2)[1:-1]
    padded = np.pad(clip.astype(np.float64), window // 2, mode="reflect")
    smooth = np.convolve(padded, hann / hann.sum(), mode="valid")
    loudness = float(np.sqrt(np.mean(smooth**2)))
    before = float(np.sqrt(np.mean(clip.astype(np.float64) ** 2)))
    return (smooth * (before / loudness if loudness else 0.0)).astype(np.float32)


def noisy(features: Tensor, step: int, generator: torch.Generator) -> Tensor:
    """Return features after ``step`` of 1,000 steps of VCD's noise (arXiv 2311.16922).

    sqrt(a) x + sqrt(1 - a) e, e normal, a the product of 1 - b_t to that step, and b_t from 1e-5 to
    5e-3 along a sigmoid from -6 to 6, as in the authors' code (vcd_utils/vcd_add_noise.py).
    """
    rates = torch.sigmoid(torch.linspace(-6, 6, 1000, dtype=torch.float64))
    kept = (1 - (rates * (5e-3 - 1e-5) + 1e-5)).cumprod(0)[step]
    noise = torch.randn(features.shape, generator=generator, dtype=torch.float64)
    return (kept.sqrt() * features + (1 - kept).sqrt() * noise).to(features.dtype)
